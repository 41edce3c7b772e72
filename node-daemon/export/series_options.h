// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "bpf/podrtt.h"

namespace podrtt
{

// Which series are exported: each of these leaves some out.
struct SeriesOptions {
    bool pods = true;                             // else only namespaces
    std::optional<podrtt_leg> leg = std::nullopt; // only this one
    bool peers = true;                            // else peer classes are summed up, without a label
    unsigned max_pods = 0;                        // pods with series of their own; 0: all
};

} // namespace podrtt
