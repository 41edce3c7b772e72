/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one door from a time to histogram, floor and event. */
#ifndef PODRTT_SAMPLE_BPF_H
#define PODRTT_SAMPLE_BPF_H

#include "bpf/event.bpf.h"
#include "bpf/floor.bpf.h"
#include "bpf/histogram_math.h"

/* Whether the times of a kind make floors, too: those of the network path itself. */
static __always_inline bool makes_floors(enum podrtt_kind kind)
{
    return kind == PODRTT_KIND_DATA || kind == PODRTT_KIND_HANDSHAKE;
}

/* A time that is known to be longer than any sample, but not how long. */
#define STALE_SAMPLE (PODRTT_MAX_SAMPLE + 1)

/* The time since a probe was armed, so many eras ago: beyond a few it may have wrapped. */
static __always_inline __u32 time_since(struct clock *clock, __u32 time, __u32 eras)
{
    return unlikely(eras >= PODRTT_STALE_ERAS) ? STALE_SAMPLE : clock_time(clock) - time;
}

/* A time in units of 32 ns that has just ended on `leg`. */
static __always_inline void take_sample(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                        __u32 sample)
{
    struct podrtt_flow *flow = context->flow;
    struct podrtt_side *side = &flow->side[leg];
    __u32 pod = context->packet->key.pod;

    if (unlikely(sample > PODRTT_MAX_SAMPLE)) {
        count_drop(PODRTT_DROP_STALE);
        return;
    }
    record_sample(pod, leg, kind, flow->peer, sample);
    if (kind != PODRTT_KIND_CONNECT && (side->min_rtt == 0 || sample < side->min_rtt))
        side->min_rtt = sample;
    if (unlikely(events_are_read(&context->clock)))
        report_sample(context, leg, kind, sample);
    if (makes_floors(kind))
        update_floor(flow, pod, leg, sample, &context->clock);
}

#endif
