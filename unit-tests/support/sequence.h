// SPDX-License-Identifier: Apache-2.0
//
// Sequences of segments in time, for tests of the data path.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "unit-tests/support/packet.h"

namespace podrtt
{

inline constexpr std::uint64_t us = 1'000; // in ns
inline constexpr std::uint64_t ms = 1'000'000;
inline constexpr std::uint64_t s = 1'000'000'000;

inline constexpr Way out = Way::from_pod, in = Way::to_pod;

inline std::vector<Step> operator+(std::vector<Step> a, const std::vector<Step> &b)
{
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

// Data that ends a write.
inline Packet data(Way way, std::uint32_t seq, std::uint32_t ack, std::uint16_t length,
                   std::optional<Timestamps> timestamps = {})
{
    return {
        .way = way, .flags = ACK | PSH, .seq = seq, .ack = ack, .length = length, .timestamps = timestamps};
}

// In the middle of a write: without PSH.
inline Packet segment(Way way, std::uint32_t seq, std::uint32_t ack, std::uint16_t length,
                      std::optional<Timestamps> timestamps = {})
{
    return {.way = way, .flags = ACK, .seq = seq, .ack = ack, .length = length, .timestamps = timestamps};
}

inline Packet pure_ack(Way way, std::uint32_t seq, std::uint32_t ack,
                       std::optional<Timestamps> timestamps = {})
{
    return segment(way, seq, ack, 0, timestamps);
}

// Of a connection that `client` opens, within 3 ms: its data begins at 1000, the server's at 5000.
inline std::vector<Step> opened_by(Way client, bool timestamps = false)
{
    const Way server = client == out ? in : out;
    const auto ts = [&](std::uint32_t tsval, std::uint32_t tsecr) {
        return timestamps ? std::optional(Timestamps{tsval, tsecr}) : std::nullopt;
    };
    return {{1 * ms, {.way = client, .flags = SYN, .seq = 999, .timestamps = ts(1, 0)}},
            {2 * ms, {.way = server, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = ts(2, 1)}},
            {3 * ms, {.way = client, .seq = 1000, .ack = 5000, .timestamps = ts(3, 2)}}};
}

} // namespace podrtt
