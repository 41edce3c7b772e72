// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The running kernel: what it must be, and what it says of itself.
#pragma once

#include <chrono>
#include <string>

namespace podrtt
{

inline constexpr const char *oldest_kernel = "5.15";

// "6.1.0-18-amd64"; empty if the kernel does not say.
std::string kernel_release();

// Whether the release is `oldest_kernel` or later. What cannot be read is believed to be.
bool is_new_enough(const std::string &release);

// The time between two ticks of the kernel's timer, which is the resolution of its coarse clocks.
std::chrono::nanoseconds jiffy();

} // namespace podrtt
