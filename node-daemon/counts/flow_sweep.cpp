// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/flow_sweep.h"

#include <unistd.h>

#include <atomic>
#include <cstring>

#include "bpf/flow.h"
#include "bpf/histogram_math.h"
#include "bpf/user/mapped_array.h"

namespace podrtt
{
namespace
{

// As flow.h has it. amd64 and arm64 have the pod id in the lower half.
std::uint32_t &state_of(podrtt_flow &flow)
{
    return *reinterpret_cast<std::uint32_t *>(&flow.key); // NOLINT: swapped as a whole
}

std::uint32_t pod_of(std::uint32_t state)
{
    return state & PODRTT_MAX_POD_ID;
}

void record_floors(HistogramTable &histograms, const podrtt_flow &flow, std::uint32_t pod,
                   std::uint64_t &lost)
{
    for (std::uint8_t leg = 0; leg < PODRTT_LEGS; leg++) {
        const auto sample = static_cast<std::uint32_t>(flow.floor[leg] >> 32);
        if (!flow.floor[leg] || sample > PODRTT_MAX_SAMPLE)
            continue;
        const podrtt_histogram_key key = {
            .pod = pod, .leg = leg, .kind = PODRTT_KIND_FLOOR, .peer = flow.peer, .pad = 0};
        if (!histograms.count(key, podrtt_bucket(sample), std::uint64_t{sample} * PODRTT_TIME_UNIT_NS))
            lost++;
    }
}

} // namespace

Result<std::size_t> sweep_flows(Maps &maps, const std::set<std::uint32_t> &pods)
{
    // Mapped for the moment only: the table is large, and a sweep is rare.
    auto table = MappedArray<podrtt_flow_set>::of(Fd(dup(maps.flows.fd())), PODRTT_MAP_FLOWS);
    if (!table)
        return std::unexpected(table.error());
    std::size_t swept = 0;
    std::uint64_t lost = 0;
    for (auto &set : table->values()) {
        for (auto &flow : set.way) {
            std::atomic_ref state(state_of(flow));
            std::uint32_t present = state.load();
            // A program of a living pod may be taking the place meanwhile.
            if (!pods.contains(pod_of(present)) ||
                !state.compare_exchange_strong(present, PODRTT_FLOW_BUSY))
                continue;
            record_floors(maps.histograms, flow, pod_of(present), lost);
            std::memset(flow.floor, 0, sizeof(flow.floor));
            state.store(PODRTT_FLOW_FREE);
            swept++;
        }
    }
    maps.add_dropped(PODRTT_DROP_HISTOGRAMS_FULL, lost);
    return swept;
}

} // namespace podrtt
