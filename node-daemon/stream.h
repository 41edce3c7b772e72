// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

#include "error.h"
#include "maps.h"
#include "options.h"
#include "pins.h"

namespace podrtt
{

// Prints every sample as it is taken, a line of JSON each, until SIGINT, SIGTERM, or the
// end of `out`. One reader at a time. The programs report only while this runs.
Result<void> stream(const Pins &pins, const StreamOptions &options, std::ostream &out);

// One event as a line of JSON, with the names that ePPing uses. `realtime_offset_ns` is
// CLOCK_REALTIME - CLOCK_MONOTONIC; `pod` may be null.
std::string to_json(const podrtt_event &event, const podrtt_pod *pod, std::int64_t realtime_offset_ns);

} // namespace podrtt
