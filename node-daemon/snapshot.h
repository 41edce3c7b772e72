// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "error.h"
#include "maps.h"

namespace podrtt
{

// What tells one series from the others of its kind. Ordered, for stable output.
struct SeriesKey {
    podrtt_kind kind;
    std::string name_space;
    std::string pod; // empty for the series of a namespace
    podrtt_leg leg;
    std::string peer;

    auto operator<=>(const SeriesKey &) const = default;
};

// All that the maps hold at some moment, put together by names.
struct Snapshot {
    std::map<std::uint32_t, podrtt_pod> pods;
    std::map<SeriesKey, podrtt_histogram> pod_series;
    std::map<SeriesKey, podrtt_histogram> namespace_series; // includes pods that are gone

    static Result<Snapshot> take(const Maps &maps);
};

// As they are shown: "network", "pod"; "data", "handshake", "floor".
std::string leg_name(podrtt_leg leg);
std::string kind_name(podrtt_kind kind);

} // namespace podrtt
