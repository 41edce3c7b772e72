// SPDX-License-Identifier: Apache-2.0
#include "snapshot.h"

#include <iterator>
#include <mutex>

#include "histogram.h"
#include "peers.h"

namespace podrtt
{
namespace
{

// Works for the keys of `histograms` and of `totals` alike.
template <typename Key>
SeriesKey series_key(const Key &key, const char *name_space, const char *pod,
                     const std::vector<std::string> &peers)
{
    // An index without a name cannot be, unless another has written the map.
    bool known = key.peer < peers.size() && !peers[key.peer].empty();
    return {static_cast<podrtt_kind>(key.kind), name_space, pod, static_cast<podrtt_leg>(key.leg),
            known ? peers[key.peer] : std::to_string(key.peer)};
}

} // namespace

std::string leg_name(podrtt_leg leg)
{
    return leg == PODRTT_LEG_NETWORK ? "network" : "pod";
}

std::string kind_name(podrtt_kind kind)
{
    static constexpr const char *names[] = {"data", "handshake", "floor", "echo", "connections"};
    static_assert(std::size(names) == PODRTT_KINDS);
    return kind < PODRTT_KINDS ? names[kind] : "unknown";
}

Result<Snapshot> Snapshot::take(const Maps &maps)
{
    Snapshot snapshot;
    auto peers = peer_names(maps);
    if (!peers)
        return std::unexpected(peers.error());

    const std::lock_guard no_pod_is_moved(*maps.moving);
    auto totals = maps.totals.entries();
    if (!totals)
        return std::unexpected(totals.error());
    snapshot.total_entries = totals->size();
    for (const auto &[key, total] : *totals)
        // A total without samples is only a place that is reserved.
        if (key.kind != PODRTT_KIND_CONNECTIONS && sample_count(total))
            snapshot.namespace_series[series_key(key, key.name_space, "", *peers)] = total;

    // Before the pods: a histogram's pod is in the map before its first sample.
    auto histograms = maps.histograms.entries();
    if (!histograms)
        return std::unexpected(histograms.error());
    snapshot.histogram_entries = histograms->size();
    auto pods = maps.pods.entries();
    if (!pods)
        return std::unexpected(pods.error());
    snapshot.pods.insert(pods->begin(), pods->end());

    for (const auto &[key, histogram] : *histograms) {
        auto entry = snapshot.pods.find(key.pod);
        if (entry == snapshot.pods.end())
            continue;
        const auto &pod = entry->second;
        if (key.kind == PODRTT_KIND_CONNECTIONS) {
            auto &connections = snapshot.connections[{pod.name_space, pod.name}];
            for (std::size_t i = 0; i < connections.size(); i++)
                connections[i] += histogram.bucket[i];
            continue;
        }
        add(snapshot.pod_series[series_key(key, pod.name_space, pod.name, *peers)], histogram);
        add(snapshot.namespace_series[series_key(key, pod.name_space, "", *peers)], histogram);
    }
    return snapshot;
}

} // namespace podrtt
