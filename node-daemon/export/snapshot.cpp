// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/snapshot.h"

#include <chrono>
#include <mutex>
#include <thread>

#include "bpf/user/histogram.h"
#include "bpf/user/kinds.h"
#include "node-daemon/counts/peer_classes.h"
#include "node-daemon/counts/retirement.h"

namespace podrtt
{
namespace
{

// Reads histograms into series, without those that `options` leaves out.
class Reading
{
public:
    Reading(Snapshot &snapshot, const SeriesOptions &options, std::vector<std::string> peers)
        : snapshot_(snapshot), options_(options), peers_(std::move(peers))
    {
    }

    void add_total(const podrtt_total_key &key, const podrtt_histogram &total)
    {
        snapshot_.total_entries++;
        // A total without samples is only a place that is reserved.
        if (is_exported(key) && sample_count(total))
            add_to_namespace(key, key.name_space, Histogram(total));
    }

    void add_pod(const podrtt_histogram_key &key, const podrtt_histogram &counts, const podrtt_pod &pod)
    {
        const bool has_series = options_.pods && is_shown(pod);
        const bool is_count = key.kind == PODRTT_KIND_COUNTS;
        if (is_count && has_series) // whatever the leg is: connections have none
            add_connections({pod.name_space, shown_name(pod)}, counts);
        if (!is_exported(key))
            return;
        const Histogram histogram(counts);
        if (has_series) {
            auto &series = is_count ? snapshot_.pod_counts : snapshot_.pod_series;
            series[series_key(key, pod.name_space, shown_name(pod))].add(histogram);
        }
        add_to_namespace(key, pod.name_space, histogram);
    }

private:
    template <typename Key>
    bool is_exported(const Key &key) const
    {
        return (!options_.leg || key.leg == *options_.leg) &&
               (key.kind == PODRTT_KIND_COUNTS || find_kind(key.kind));
    }

    template <typename Key>
    void add_to_namespace(const Key &key, const char *name_space, const Histogram &histogram)
    {
        auto &series =
            key.kind == PODRTT_KIND_COUNTS ? snapshot_.namespace_counts : snapshot_.namespace_series;
        series[series_key(key, name_space, "")].add(histogram);
    }

    // Before it is decided, a pod might show up under a name that it does not keep.
    bool is_shown(const podrtt_pod &pod) const
    {
        return options_.max_pods == 0 || pod.named != PODRTT_NAMED_UNDECIDED;
    }

    // Works for the keys of `histograms` and of `totals` alike. Counts are not kept by peer class.
    template <typename Key>
    SeriesKey series_key(const Key &key, const char *name_space, std::string pod) const
    {
        const bool has_peer = options_.peers && key.kind != PODRTT_KIND_COUNTS;
        return {static_cast<podrtt_kind>(key.kind), name_space, std::move(pod),
                static_cast<podrtt_leg>(key.leg), has_peer ? peer_name(peers_, key.peer) : ""};
    }

    void add_connections(const PodName &name, const podrtt_histogram &counts)
    {
        const auto more = connection_counts(counts);
        if (more == ConnectionCounts{})
            return;
        ConnectionCounts &connections = snapshot_.connections[name];
        for (std::size_t i = 0; i < connections.size(); i++)
            connections[i] += more[i];
    }

    Snapshot &snapshot_;
    const SeriesOptions &options_;
    std::vector<std::string> peers_;
};

} // namespace

std::string shown_name(const podrtt_pod &pod)
{
    return pod.named == PODRTT_NAMED_OTHER ? PODRTT_OTHER : pod.name;
}

namespace
{

Result<Snapshot> read_maps(const Maps &maps, const SeriesOptions &options)
{
    Snapshot snapshot;
    auto peers = peer_names(maps);
    if (!peers)
        return std::unexpected(peers.error());
    Reading reading(snapshot, options, std::move(*peers));

    const std::lock_guard no_pod_is_moved(*maps.moving);
    auto read =
        maps.totals.for_each([&](const auto &key, const auto &total) { reading.add_total(key, total); });
    if (!read)
        return std::unexpected(read.error());
    read = maps.pods.for_each([&](std::uint32_t id, const podrtt_pod &pod) { snapshot.pods[id] = pod; });
    if (!read)
        return std::unexpected(read.error());
    read = maps.histograms.for_each([&](const auto &key, const auto &histogram) {
        snapshot.histogram_entries++;
        auto entry = snapshot.pods.find(key.pod);
        if (entry == snapshot.pods.end()) { // one that has come meanwhile
            auto pod = maps.pods.lookup(key.pod);
            if (!pod || !*pod)
                return;
            entry = snapshot.pods.emplace(key.pod, **pod).first;
        }
        reading.add_pod(key, histogram, entry->second);
    });
    if (!read)
        return std::unexpected(read.error());
    return snapshot;
}

} // namespace

// The lock is the daemon's own. Whoever reads its maps from outside looks again if samples were moved
// meanwhile: they might be there twice, or not at all.
Result<Snapshot> Snapshot::take(const Maps &maps, const SeriesOptions &options)
{
    // A daemon that moves the samples of many pods does not keep anybody for ever.
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(500);
    for (;;) {
        const auto before = last_move(maps);
        auto snapshot = read_maps(maps, options);
        if (!snapshot || std::chrono::steady_clock::now() > end || (before && before == last_move(maps)))
            return snapshot;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
}

} // namespace podrtt
