/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The floor: the smallest sample of a flow and leg in a window of 10 s. */
#ifndef PODRTT_FLOOR_BPF_H
#define PODRTT_FLOOR_BPF_H

#include "bpf/clock.bpf.h"
#include "bpf/compiler.bpf.h"
#include "bpf/histogram.bpf.h"

/* Inline, as flush_floor(): each call more is 32 bytes more of the stack up to Linux 6.9, and where an echo
 * makes room, the chain of calls to here is near the limit of 512. */
static __always_inline void record_floor(__u32 pod, enum podrtt_leg leg, __u8 peer, __u64 floor)
{
    record_sample(pod, leg, PODRTT_KIND_FLOOR, peer, floor >> 32);
}

static __always_inline __u32 floor_tick(struct clock *clock)
{
    return (__u32)(clock_ns(clock) >> PODRTT_FLOOR_TICK_SHIFT);
}

static __always_inline bool is_floor_over(__u64 floor, __u32 tick)
{
    return floor && tick - (__u32)floor >= PODRTT_FLOOR_WINDOW_TICKS;
}

static __noinline void lower_floor(struct podrtt_flow *flow, __u32 pod, enum podrtt_leg leg, __u32 sample,
                                   __u32 tick)
{
    __u64 *place = &flow->floor[leg];

    /* Another CPU may change it meanwhile; a third one in the same moment, hardly. */
    for (int i = 0; i < 3; i++) {
        __u64 floor = READ_ONCE(*place);
        bool over = is_floor_over(floor, tick);
        if (floor && !over && sample >= floor >> 32)
            return;
        __u64 updated = (__u64)sample << 32 | (floor && !over ? (__u32)floor : tick);
        if (__sync_val_compare_and_swap(place, floor, updated) != floor)
            continue;
        if (over)
            record_floor(pod, leg, flow->peer, floor);
        return;
    }
}

/* Keeps the smallest sample of a window; the first sample after its end records it. */
static __always_inline void update_floor(struct podrtt_flow *flow, __u32 pod, enum podrtt_leg leg,
                                         __u32 sample, struct clock *clock)
{
    __u64 floor = READ_ONCE(flow->floor[leg]);
    __u32 tick = floor_tick(clock);

    if (unlikely(!floor || sample < floor >> 32 || is_floor_over(floor, tick)))
        lower_floor(flow, pod, leg, sample, tick);
}

/* Records what an ending connection has left. */
static __always_inline void flush_floor(struct podrtt_flow *flow, __u32 pod, enum podrtt_leg leg)
{
    __u64 *place = &flow->floor[leg];
    __u64 floor = READ_ONCE(*place);

    if (floor && __sync_val_compare_and_swap(place, floor, 0) == floor)
        record_floor(pod, leg, flow->peer, floor);
}

static __noinline void flush_floors(struct podrtt_flow *flow, __u32 pod)
{
    flush_floor(flow, pod, PODRTT_LEG_NETWORK);
    flush_floor(flow, pod, PODRTT_LEG_POD);
}

#endif
