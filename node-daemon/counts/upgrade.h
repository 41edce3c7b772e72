// SPDX-License-Identifier: Apache-2.0
//
// What a daemon of an older layout has pinned. An upgrade takes over its pods, so that they get
// the new programs in the place of the old ones, and then, when nothing counts there any more,
// its samples. Each step may be interrupted and repeated: nothing is lost or counted twice.
#pragma once

#include <spdlog/logger.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

// The directories of other layouts beside that of `pins`.
std::vector<std::string> other_layouts(const Pins &pins);

// Makes the pods of another layout known. An error if it keeps them in another form.
Result<void> take_pods_over(Maps &maps, const Pins &pins, const std::string &layout);

// Moves all samples of another layout here, each to its pod, or to what remains of it, or to the totals,
// and unpins what is left of the layout.
Result<void> take_samples_over(Maps &maps, const Pins &pins, const std::string &layout);

// Both for all older layouts there are: the pods at once, so that their programs are replaced; the
// samples when nothing counts there any more. Holds the lock on each until it is done.
class Upgrade
{
public:
    // `maps` and `log` must outlive it.
    Upgrade(const Pins &pins, Maps &maps, spdlog::logger &log);

    // To be called when every pod that lives has this daemon's programs. Whether it has moved any samples.
    bool finish();

private:
    struct Layout {
        Fd lock;
        std::set<std::uint32_t> pods; // ids there, when they were looked at last
    };

    Result<bool> take_new_pods_over(const std::string &name, Layout &layout);

    Pins pins_;
    Maps &maps_;
    spdlog::logger &log_;
    std::map<std::string, Layout> layouts_; // by name
    std::string failure_;                   // the last one
};

} // namespace podrtt
