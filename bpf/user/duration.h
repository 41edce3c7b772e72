// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Durations as people and configuration files write them: 250ms, 1.5s, 1h30m.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace podrtt
{

// Numbers, each with one of the units d, h, m, s, ms, us (or µs) and ns; a single number may go without,
// and counts `bare` then, if that is given. Nothing for anything else, negative and larger than a hundred
// years included.
std::optional<std::chrono::nanoseconds> parse_duration(std::string_view text,
                                                       std::chrono::nanoseconds bare = {});

// In the largest unit of which it is a whole number: 90s, 5m.
std::string format_duration(std::chrono::nanoseconds duration);

} // namespace podrtt
