// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/histogram.h"
#include "bpf/user/pod.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/export/series_options.h"

namespace podrtt
{

// What distinguishes one series from the others of its kind. Ordered, for stable output.
struct SeriesKey {
    podrtt_kind kind;
    std::string name_space;
    std::string pod; // empty for the series of a namespace
    podrtt_leg leg;
    std::string peer; // empty if peer classes are summed up

    auto operator<=>(const SeriesKey &) const = default;
};

// What the maps hold at some moment, put together by names. Pods without a name of their own
// (struct podrtt_pod) are one, PODRTT_OTHER, in each namespace.
struct Snapshot {
    std::map<std::uint32_t, podrtt_pod> pods;
    std::map<SeriesKey, Histogram> pod_series;
    std::map<SeriesKey, Histogram> namespace_series; // includes pods that are gone
    // What is counted beside times (kinds.h), in buckets.
    std::map<SeriesKey, Histogram> pod_counts;
    std::map<SeriesKey, Histogram> namespace_counts; // includes pods that are gone
    std::map<PodName, ConnectionCounts> connections;
    std::size_t histogram_entries = 0; // of the map
    std::size_t total_entries = 0;     // the same

    static Result<Snapshot> take(const Maps &maps, const SeriesOptions &options = {});
};

// The pod's name in metrics.
std::string shown_name(const podrtt_pod &pod);

} // namespace podrtt
