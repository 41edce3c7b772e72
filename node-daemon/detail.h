// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>

#include "podrtt.h"
#include "snapshot.h"

namespace podrtt
{

// How much /metrics tells: each of these leaves series away.
struct Detail {
    bool pods = true;              // else only namespaces
    std::optional<podrtt_leg> leg; // only this one
    bool peers = true;             // else peer classes are summed up, and have no label
};

// The series of `all` that are told, or their sums.
std::map<SeriesKey, podrtt_histogram> reduce(const std::map<SeriesKey, podrtt_histogram> &all,
                                             const Detail &detail);

} // namespace podrtt
