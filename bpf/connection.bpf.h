/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts of connections, by how their answers are matched. */
#ifndef PODRTT_CONNECTION_BPF_H
#define PODRTT_CONNECTION_BPF_H

#include "bpf/histogram.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/tcp.bpf.h"

/* The side's SYN has been seen, and all that it has sent since. */
static __always_inline bool has_sent_syn(const struct podrtt_side *side)
{
    return side->phase != PODRTT_UNSEEN && side->phase != PODRTT_WAITING;
}

/* Inline: each call more is 32 bytes more of the stack up to Linux 6.9. */
static __always_inline void count_flow(struct context *context, enum podrtt_leg leg,
                                       enum podrtt_matching matching)
{
    struct podrtt_flow *flow = context->flow;
    __u8 as = matching >= PODRTT_MATCHING_NONE ? PODRTT_COUNTED_ONE_WAY : PODRTT_COUNTED_MATCHED;

    if (flow->counted & as)
        return;
    flow->counted |= as;
    add_count(context->packet->key.pod, 0, PODRTT_COUNT_CONNECTIONS + matching);
    if (as == PODRTT_COUNTED_MATCHED)
        report_connection(context->packet, flow, leg, PODRTT_KIND_OPENED);
}

/* A connection of which both ends have been seen, by a packet that acknowledges data of `leg`. */
static __noinline void count_matched(struct context *context, enum podrtt_leg leg)
{
    struct timestamps timestamps;

    count_flow(context, leg,
               read_timestamps(context->skb, context->packet, &timestamps) ? PODRTT_MATCHING_TIMESTAMPS
                                                                           : PODRTT_MATCHING_SEQUENCE);
}

/* A packet that acknowledges what was never seen. If it goes on where the SYN or SYN-ACK of
 * its own end began, then packets of the other direction do not come by here. A SYN-ACK
 * alone says nothing: it may be a stray one, which the other end will refuse. Only the pod's own
 * packets count: anybody can send others, with a wrong checksum, and the pod never answers them. */
static __noinline void note_one_way(struct context *context, enum podrtt_leg unseen)
{
    const struct podrtt_side *own = &context->flow->side[other_leg(unseen)];
    const __u8 *address = context->packet->key.peer_address;

    if (unseen == PODRTT_LEG_POD && has_sent_syn(own) && !(context->packet->flags & TCP_SYN) &&
        !context->flow->side[unseen].sent)
        count_flow(context, unseen, PODRTT_MATCHING_NONE + (address[15] ^ address[14]) % PODRTT_PEER_PARTS);
}

#endif
