// SPDX-License-Identifier: Apache-2.0
//
// Sequences of segments in time, for tests of the data path.
#pragma once

#include <cstdint>

#include "unit-tests/support/packet.h"

namespace podrtt
{

inline constexpr std::uint64_t us = 1'000; // in ns
inline constexpr std::uint64_t ms = 1'000'000;
inline constexpr std::uint64_t s = 1'000'000'000;

inline constexpr Way out = Way::from_pod, in = Way::to_pod;

struct Step {
    std::uint64_t at_ns;
    Packet packet;
};

} // namespace podrtt
