// SPDX-License-Identifier: Apache-2.0
//
// What the map `drops` counts, as it is named in metrics.
#pragma once

#include "podrtt.h"

namespace podrtt
{

struct DropReason {
    podrtt_drop drop;
    const char *family; // of the metrics
    const char *label;
};

inline constexpr DropReason drop_reasons[] = {
    {PODRTT_DROP_TRUNCATED, "podrtt_ignored_packets_total", "truncated"},
    {PODRTT_DROP_BAD_HEADER, "podrtt_ignored_packets_total", "bad_header"},
    {PODRTT_DROP_FRAGMENT, "podrtt_ignored_packets_total", "fragment"},
    {PODRTT_DROP_STALE, "podrtt_dropped_samples_total", "stale"},
    {PODRTT_DROP_HISTOGRAMS_FULL, "podrtt_dropped_samples_total", "histogram_map_full"},
    {PODRTT_DROP_EVENTS_FULL, "podrtt_dropped_events_total", "reader_too_slow"},
    {PODRTT_DROP_NO_VETH, "podrtt_unmeasured_adds_total", "no_veth"},
    {PODRTT_DROP_ADD_FAILED, "podrtt_unmeasured_adds_total", "failed"},
    {PODRTT_DROP_FLOW_UNANSWERED, "podrtt_evicted_flows_total", "unanswered"},
    {PODRTT_DROP_FLOW_IDLE, "podrtt_evicted_flows_total", "longest_idle"},
};

} // namespace podrtt
