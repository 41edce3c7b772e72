// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

struct StreamOptions {
    std::string name_space; // only pods of this namespace; empty: of all
    std::string pod;        // only the pod of this name; empty: all
};

// Prints every sample as it is taken, a line of JSON each, until `termination` is readable or `out`
// has ended. One reader at a time. The programs report only while this runs.
Result<void> stream(const Pins &pins, const StreamOptions &options, const Fd &termination,
                    std::ostream &out);

// One event as a line of JSON, with the names that ePPing uses. `realtime_offset_ns` is
// CLOCK_REALTIME - CLOCK_MONOTONIC; `pod` may be null.
std::string to_json(const podrtt_event &event, const podrtt_pod *pod, std::int64_t realtime_offset_ns);

} // namespace podrtt
