// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "podrtt.h"

namespace podrtt
{

// How much is told of what is measured: each of these leaves series away.
struct Detail {
    bool pods = true;                             // else only namespaces
    std::optional<podrtt_leg> leg = std::nullopt; // only this one
    bool peers = true;                            // else peer classes are summed up, and have no label
    unsigned max_pods = 0;                        // pods with series of their own; 0: all
};

} // namespace podrtt
