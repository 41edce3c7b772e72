/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one door from a time to histogram, floor and event. */
#ifndef PODRTT_SAMPLE_BPF_H
#define PODRTT_SAMPLE_BPF_H

#include "bpf/event.bpf.h"
#include "bpf/floor.bpf.h"
#include "bpf/histogram_math.h"

/* A time that is known to be longer than any sample, but not how long. */
#define STALE_SAMPLE (PODRTT_MAX_SAMPLE + 1)

/* Since the side has armed a slot last. */
static __always_inline __u8 eras_since_armed(struct clock *clock, const struct podrtt_side *side)
{
    return clock_era(clock) - side->era;
}

/* The time since a probe was armed, so many eras ago: beyond a few it may have wrapped. */
static __always_inline __u32 time_since(struct clock *clock, __u32 time, __u32 eras)
{
    return unlikely(eras >= PODRTT_STALE_ERAS) ? STALE_SAMPLE : clock_time(clock) - time;
}

/* A time in units of 32 ns that has just ended on `leg`. Those of data and handshakes are of the network
 * path itself, and make floors. */
static __always_inline void record_time(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                        __u32 sample, bool is_round_trip)
{
    struct podrtt_flow *flow = context->flow;
    struct podrtt_side *side = &flow->side[leg];
    __u32 pod = context->packet->key.pod;

    if (unlikely(sample > PODRTT_MAX_SAMPLE)) {
        count_drop(PODRTT_DROP_STALE);
        return;
    }
    record_sample(pod, leg, kind, flow->peer, sample);
    if (is_round_trip && (side->min_rtt == 0 || sample < side->min_rtt))
        side->min_rtt = sample;
    if (unlikely(events_are_read(&context->clock)))
        report(context, leg, kind, (__u64)sample * PODRTT_TIME_UNIT_NS);
    if (is_round_trip && kind != PODRTT_KIND_ECHO)
        update_floor(flow, pod, leg, sample, &context->clock);
}

static __always_inline void take_round_trip(struct context *context, enum podrtt_leg leg,
                                            enum podrtt_kind kind, __u32 sample)
{
    record_time(context, leg, kind, sample, true);
}

/* A wait that an application feels, since `time`, so many eras ago. */
static __noinline void take_wait(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                 __u32 time, __u32 eras)
{
    record_time(context, leg, kind, time_since(&context->clock, time, eras), false);
}

#endif
