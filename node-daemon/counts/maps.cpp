// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/maps.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <optional>

namespace podrtt
{
namespace
{

// Opens the map pinned under `name`, or keeps the first error.
template <typename Table>
std::optional<Table> open_pinned(const Pins &pins, const char *name, std::optional<Error> &error)
{
    auto map = Table::open(pins.path(name));
    if (map)
        return std::move(*map);
    if (!error)
        error = map.error();
    return std::nullopt;
}

} // namespace

Result<Maps> Maps::open(const Pins &pins)
{
    std::optional<Error> error;
    auto pods = open_pinned<Pods>(pins, PODRTT_MAP_PODS, error);
    auto flows = open_pinned<Map<std::uint32_t, podrtt_flow_set>>(pins, PODRTT_MAP_FLOWS, error);
    auto histograms = open_pinned<HistogramTable>(pins, PODRTT_MAP_HISTOGRAMS, error);
    auto totals = open_pinned<Totals>(pins, PODRTT_MAP_TOTALS, error);
    auto journal = open_pinned<Map<std::uint32_t, podrtt_journal>>(pins, PODRTT_MAP_JOURNAL, error);
    auto peers = open_pinned<Map<podrtt_peer_key, std::uint32_t>>(pins, PODRTT_MAP_PEERS, error);
    auto peer_names = open_pinned<Map<std::uint32_t, PeerName>>(pins, PODRTT_MAP_PEER_NAMES, error);
    auto drops = open_pinned<MappedArray<std::uint64_t>>(pins, PODRTT_MAP_DROPS, error);
    auto settings = open_pinned<Settings>(pins, PODRTT_MAP_SETTINGS, error);
    if (error)
        return std::unexpected(*error);
    return Maps{.pods = std::move(*pods),
                .flows = std::move(*flows),
                .histograms = std::move(*histograms),
                .totals = std::move(*totals),
                .journal = std::move(*journal),
                .peers = std::move(*peers),
                .peer_names = std::move(*peer_names),
                .drops = std::move(*drops),
                .settings = std::move(*settings)};
}

std::uint64_t Maps::dropped(podrtt_drop drop) const
{
    return std::atomic_ref(drops.values()[drop]).load();
}

void Maps::add_dropped(podrtt_drop drop, std::uint64_t times) const
{
    std::atomic_ref(drops.values()[drop]) += times;
}

Result<ConnectionCounts> Maps::connections_of(std::uint32_t pod) const
{
    auto counts =
        histograms.lookup({.pod = pod, .leg = 0, .kind = PODRTT_KIND_COUNTS, .peer = 0, .pad = 0});
    if (!counts)
        return std::unexpected(counts.error());
    return *counts ? connection_counts(**counts) : ConnectionCounts{};
}

std::uint64_t both_directions(const ConnectionCounts &connections)
{
    return connections[PODRTT_MATCHING_TIMESTAMPS] + connections[PODRTT_MATCHING_SEQUENCE];
}

std::uint64_t one_direction(const ConnectionCounts &connections)
{
    return std::accumulate(&connections[PODRTT_MATCHING_NONE], connections.end(), std::uint64_t{0});
}

ConnectionCounts connection_counts(const podrtt_histogram &counts)
{
    ConnectionCounts connections = {};
    std::copy_n(&counts.bucket[PODRTT_COUNT_CONNECTIONS], connections.size(), connections.begin());
    return connections;
}

} // namespace podrtt
