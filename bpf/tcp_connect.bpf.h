/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wait for a connection: from its first SYN to the SYN-ACK that answers it, however often the SYN is
 * sent. The first one's time stands in a slot that nothing else needs until then (flow.h).
 */
#ifndef PODRTT_TCP_CONNECT_BPF_H
#define PODRTT_TCP_CONNECT_BPF_H

#include "bpf/histogram.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/tcp.bpf.h"

/* No end sends more before it is answered the first time (RFC 9293: the window of a SYN-ACK is not scaled).
 */
#define MAX_FIRST_WINDOW 65536

static __always_inline bool is_connecting(const struct podrtt_side *side)
{
    return side->phase == PODRTT_CONNECTING || side->phase == PODRTT_CONNECTING_AGAIN;
}

static __always_inline void count_connect(__u32 pod, enum podrtt_leg leg, enum podrtt_connect result)
{
    add_count(pod, leg, PODRTT_COUNT_CONNECTS + result);
}

/* With a connection's first SYN; `acknowledged_by` is the least that acknowledges it. */
static __always_inline void begin_connect(struct context *context, enum podrtt_leg leg,
                                          __u32 acknowledged_by)
{
    struct podrtt_side *side = &context->flow->side[leg];

    arm_slot(side, PODRTT_FIRST_SYN, acknowledged_by, clock_time(&context->clock),
             clock_era(&context->clock));
    count_connect(context->packet->key.pod, leg, PODRTT_CONNECT_BEGUN);
}

/* The least that acknowledges the SYN. */
static __always_inline __u32 first_syn(const struct podrtt_side *side)
{
    return probe_end(READ_ONCE(side->probe[PODRTT_FIRST_SYN]));
}

/* Whether the ACK is one that an end takes which waits for a SYN-ACK (RFC 9293, 3.10.7.3): of its SYN, or
 * of data that came with that. */
static __always_inline bool acknowledges_syn(const struct packet *packet, const struct podrtt_side *side)
{
    __u32 syn = first_syn(side);

    return packet->flags & TCP_ACK && packet->ack - syn <= side->end - syn;
}

/* Whether data is of the connection that the SYN began: then the SYN-ACK has passed unseen. */
static __always_inline bool follows_syn(const struct packet *packet, const struct podrtt_side *side)
{
    return packet->flags & TCP_ACK && packet->seq - first_syn(side) < MAX_FIRST_WINDOW;
}

/* False if the packet is not what the wait is for: an end that waits refuses it, and goes on waiting. */
static __always_inline bool end_connect(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u64 first = READ_ONCE(side->probe[PODRTT_FIRST_SYN]);
    __u32 era = READ_ONCE(side->tsval[PODRTT_FIRST_SYN]);

    /* Two CPUs may have copies of one SYN-ACK: the slot is empty for the second. */
    if (!first || !(context->packet->flags & TCP_SYN) || !acknowledges_syn(context->packet, side) ||
        !swap_probe(side, PODRTT_FIRST_SYN, first, 0))
        return false;
    take_wait(context, leg, PODRTT_KIND_CONNECT, probe_time(first), clock_era(&context->clock) - era);
    count_connect(context->packet->key.pod, leg, PODRTT_CONNECT_ANSWERED);
    return true;
}

#endif
