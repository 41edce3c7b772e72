// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "bpf/flow.h"
#include "bpf/podrtt.h"
#include "bpf/user/error.h"
#include "bpf/user/histogram_table.h"
#include "bpf/user/map.h"
#include "bpf/user/pins.h"
#include "bpf/user/pod.h"

namespace podrtt
{

using Totals = Map<podrtt_total_key, podrtt_histogram>;
using PeerName = std::array<char, PODRTT_PEER_NAME_SIZE>; // ends with a NUL; empty: unused

// A pod's connections by enum podrtt_matching.
using ConnectionCounts = std::array<std::uint64_t, PODRTT_MATCHINGS>;

// Of which the packets of both directions were seen, or of one.
std::uint64_t both_directions(const ConnectionCounts &connections);
std::uint64_t one_direction(const ConnectionCounts &connections);

// The maps that the daemon works on. Thread-safe, as each of them is.
struct Maps {
    Pods pods;
    Map<std::uint32_t, podrtt_flow_set> flows; // an array
    HistogramTable histograms;
    Totals totals;
    Map<std::uint32_t, podrtt_journal> journal; // one entry, 0
    Map<podrtt_peer_key, std::uint32_t> peers;  // to an index of peer_names
    Map<std::uint32_t, PeerName> peer_names;
    MappedArray<std::uint64_t> drops; // by enum podrtt_drop
    Settings settings;

    // Held while a pod's histograms move into the totals, and by whatever reads both.
    std::unique_ptr<std::mutex> moving = std::make_unique<std::mutex>();

    static Result<Maps> open(const Pins &pins);

    // What was left out so far, for this reason; and adding to it, while programs do the same.
    std::uint64_t dropped(podrtt_drop drop) const;
    void add_dropped(podrtt_drop drop, std::uint64_t times) const;

    // All zero for a pod that has none.
    Result<ConnectionCounts> connections_of(std::uint32_t pod) const;
};

// Whether what may leave should leave a map: of the places, an eighth is kept free.
constexpr bool is_nearly_full(std::size_t entries, std::size_t capacity)
{
    return entries > capacity - capacity / 8;
}

ConnectionCounts connection_counts(const podrtt_histogram &counts);

} // namespace podrtt
