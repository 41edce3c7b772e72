// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <optional>
#include <ranges>
#include <vector>

#include "bpf/podrtt.h"

namespace podrtt
{

// Upper bounds of classic histograms are powers of two of seconds, which are bounds of the buckets in the
// kernel, too, so that nothing is interpolated. These are their exponents, ascending.
using Bounds = std::vector<int>;

inline constexpr int min_bound = -16;
inline constexpr int max_bound = 3;

inline const Bounds &all_bounds()
{
    static const Bounds bounds = [] {
        const auto all = std::views::iota(min_bound, max_bound + 1);
        return Bounds(all.begin(), all.end());
    }();
    return bounds;
}

// Which series are exported: each of these leaves some out.
struct SeriesOptions {
    bool pods = true;                             // else only namespaces
    std::optional<podrtt_leg> leg = std::nullopt; // only this one
    bool peers = true;                            // else peer classes are summed up, without a label
    unsigned max_pods = 0;                        // pods with series of their own; 0: all
    bool created = false;                         // when single pods' histograms and counts began
    // Of single pods; namespaces have them all.
    std::optional<std::vector<podrtt_kind>> pod_kinds = std::nullopt; // only these
    Bounds pod_bounds = all_bounds();

    bool has_pods_of(podrtt_kind kind) const { return !pod_kinds || std::ranges::count(*pod_kinds, kind); }
};

} // namespace podrtt
