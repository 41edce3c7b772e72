// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"

namespace podrtt
{

struct DatapathOptions {
    std::uint32_t flows = PODRTT_DEFAULT_FLOWS;
    std::uint32_t histograms = PODRTT_DEFAULT_HISTOGRAMS; // a power of two, at least 64
    std::uint32_t pods = PODRTT_DEFAULT_PODS;
    // About how far the samples of one end of a connection lie apart; 0: every request is one.
    std::chrono::milliseconds sample_interval{0};
};

// A sample interval as programs count it, rounded up.
std::uint16_t to_jiffies(std::chrono::nanoseconds interval, std::chrono::nanoseconds jiffy);

// Loads the BPF programs and pins them and their maps. Maps that are pinned already
// are used on with all that they hold; programs are replaced. What is pinned outlives
// the process. A map of `flows` whose size has changed is replaced: it holds nothing
// but round trips under way. Other maps that are pinned keep their sizes.
Result<void> load_datapath(const Pins &pins, const DatapathOptions &wanted);

} // namespace podrtt
