// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>

#include "bpf/user/attach/attacher.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/counts/repairs.h"

namespace podrtt
{

// Records pods that live but that no plugin has reported: created before it was in the chain, before the
// daemon ran first, or when it could not do its work. They are found in libcni's cache (`directory`). A
// host veth is believed to be a pod's if it is the peer of the pod's interface; or, where the network
// namespace is not known, if the kernel routes the pod's address there and its name is the one that
// Azure makes from the pod's.
void adopt_pods(Maps &maps, attach::Attacher &attacher, const std::filesystem::path &directory,
                Repairs &repairs, spdlog::logger &log);

// When to adopt pods: now and then, and for a while every second after a plugin has counted an ADD that it
// could not do. libcni writes the cache only when the plugins behind it are done.
class AdoptionSchedule
{
public:
    using Clock = std::chrono::steady_clock;

    // `missed` is how many ADDs were counted so far.
    bool is_due(std::uint64_t missed, Clock::time_point now);

private:
    std::uint64_t missed_ = 0;
    std::optional<Clock::time_point> last_;
    Clock::time_point often_until_{};
};

} // namespace podrtt
