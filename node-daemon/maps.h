// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "error.h"
#include "histogram_table.h"
#include "map.h"
#include "pins.h"
#include "podrtt.h"

namespace podrtt
{

using Totals = Map<podrtt_total_key, podrtt_histogram>;
using PeerName = std::array<char, PODRTT_PEER_NAME_SIZE>; // ends with a NUL; empty: unused

// The maps that the daemon works on. Thread-safe, as each of them is.
struct Maps {
    Map<std::uint32_t, podrtt_pod> pods;       // by pod id
    Map<std::uint32_t, podrtt_flow_set> flows; // an array
    HistogramTable histograms;
    Totals totals;
    Map<std::uint32_t, podrtt_journal> journal; // one entry, 0
    Map<podrtt_peer_key, std::uint32_t> peers;  // to an index of peer_names
    Map<std::uint32_t, PeerName> peer_names;
    Map<std::uint32_t, std::uint64_t> drops;    // by enum podrtt_drop
    Map<std::uint32_t, std::uint64_t> settings; // by enum podrtt_setting

    // Held while a pod's histograms move into the totals, and by whoever reads both.
    std::unique_ptr<std::mutex> moving = std::make_unique<std::mutex>();

    static Result<Maps> open(const Pins &pins);
};

} // namespace podrtt
