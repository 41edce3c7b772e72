/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wait for data that had to be sent again: from its first sending to the ACK that covers it. The first
 * sending is known of what a slot watches, and of what a side has sent last.
 */
#ifndef PODRTT_TCP_RECOVERY_BPF_H
#define PODRTT_TCP_RECOVERY_BPF_H

#include "bpf/histogram.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/tcp.bpf.h"

/* What is known to a jiffy must have lasted so many, to be right to a bucket. */
#define MIN_STALL_JIFFIES 16

static __always_inline void count_resent(__u32 pod, enum podrtt_leg leg)
{
    add_count(pod, leg, PODRTT_COUNT_RESENT);
}

/* Data beyond what was seen, until `end`. What is missing may come later, and has not been sent again then
 * if its TSval is no later than this one's, which becomes the last that the side knows. */
static __noinline void note_hole(struct context *context, enum podrtt_leg leg, __u32 end)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 slot = free_slot(side);
    struct timestamps timestamps;

    side->flags |= PODRTT_HOLE;
    if (!read_timestamps(context->skb, context->packet, &timestamps))
        return;
    if (slot >= PODRTT_PROBES)
        slot = 0;
    side->era = clock_era(&context->clock);
    arm_marked_slot(side, slot, end, clock_time(&context->clock), timestamps.tsval, PODRTT_MARK_BEHIND);
    side->flags |= PODRTT_TIMESTAMPS;
}

static __always_inline bool is_newer_than_hole(struct context *context, const struct podrtt_side *side)
{
    __u32 last = last_slot(side);
    struct timestamps timestamps;

    return last < PODRTT_PROBES && side->flags & PODRTT_TIMESTAMPS &&
           read_timestamps(context->skb, context->packet, &timestamps) &&
           is_after(timestamps.tsval, READ_ONCE(side->tsval[last]));
}

/* Jiffies wrap: whether so long ago, and not a wrap more, is in the era in which the side has armed a slot
 * last, or this one. */
static __always_inline bool is_of_era(struct context *context, const struct podrtt_side *side, __u64 stall)
{
    __u32 into_era = clock_time(&context->clock) & ((1u << (PODRTT_ERA_SHIFT - PODRTT_TIME_SHIFT)) - 1);
    __u8 eras = eras_since_armed(&context->clock, side);

    return eras == 0 || (eras == 1 && stall >= into_era);
}

/* What a side has sent last is being sent again, and no slot has watched it. */
static __noinline void watch_stalled(struct context *context, enum podrtt_leg leg, __u16 jiffies)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u64 stall = (__u64)jiffies * jiffy_time;
    __u32 slot = free_slot(side);

    if (slot >= PODRTT_PROBES || jiffies < MIN_STALL_JIFFIES || stall > PODRTT_MAX_SAMPLE ||
        !is_of_era(context, side, stall))
        return;
    __u32 time = clock_time(&context->clock) - (__u32)stall;
    arm_marked_slot(side, slot, side->end, time < TIME_FIRST ? TIME_FIRST : time, 0, PODRTT_MARK_RESENT);
}

/*
 * Data, or a FIN, that begins before what was seen ends: it is sent again, or fills a hole. What
 * acknowledges the slots from there on may answer either sending (Karn's rule).
 */
static __noinline void send_again(struct context *context, enum podrtt_leg leg, __u32 end)
{
    struct podrtt_side *side = &context->flow->side[leg];
    const struct packet *packet = context->packet;
    /* RFC 9293, 3.8.4 and 3.8.6.1: one byte, to see whether the other end is there, or has room. */
    bool asks = packet->length == 1 && !(packet->flags & TCP_FIN) && end == side->end;
    bool watched = false;

    for (__u32 i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (!probe || !is_after(probe_end(probe), packet->seq))
            continue;
        bool again = !asks && !is_after(probe_end(probe), end);
        if (again || probe_mark(side, i) == PODRTT_MARK_NONE)
            set_mark(side, i, again ? PODRTT_MARK_RESENT : PODRTT_MARK_BEHIND);
        watched |= again;
    }
    if (asks)
        return;
    bool ends_all = !is_after(side->end, end);
    if (!watched && !ends_all && side->flags & PODRTT_HOLE && !is_newer_than_hole(context, side))
        return; /* it may have been overtaken */
    count_resent(packet->key.pod, leg);
    bool arrived = context->flow->side[other_leg(leg)].acked == side->end;
    if (ends_all && !watched && packet->length && !arrived)
        watch_stalled(context, leg, clock_jiffies() - side->sent_at);
}

/* The packet's ACK covers a slot whose data was sent again. */
static __always_inline void end_recovery(struct context *context, enum podrtt_leg leg, __u32 time)
{
    __u8 eras = eras_since_armed(&context->clock, &context->flow->side[leg]);

    take_wait(context, leg, PODRTT_KIND_RECOVERY, time, eras);
}

#endif
