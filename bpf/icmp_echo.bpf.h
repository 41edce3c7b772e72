/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP echo: a request is a probe, with its identifier as the port of its sender, and its sequence
 * number as the end. */
#ifndef PODRTT_ICMP_ECHO_BPF_H
#define PODRTT_ICMP_ECHO_BPF_H

#include "bpf/flow_table.bpf.h"
#include "bpf/icmp.bpf.h"
#include "bpf/peer.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/settings.bpf.h"

/* Distinguishes the sequence number 0 from a free slot. */
#define ECHO_END(sequence) ((sequence) | 1u << 16)

/* A request arms a slot, with the era in the place of the TSval, the oldest if none is free. One that is
 * sent twice cannot be told from the first one by its reply. */
static __always_inline void send_echo(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 end = ECHO_END(context->packet->seq);
    __u32 slot = last_slot(side) + 1;
    bool twice = false;

    if (slot >= PODRTT_PROBES)
        slot = 0;
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (probe && probe_end(probe) == end)
            twice = swap_probe(side, i, probe, 0);
    }
    if (!twice)
        arm_slot(side, slot, end, clock_time(&context->clock), clock_era(&context->clock));
}

static __always_inline void answer_echo(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *side = &context->flow->side[leg];

    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        __u32 era = READ_ONCE(side->tsval[i]);
        if (!probe || probe_end(probe) != ECHO_END(context->packet->seq) || !swap_probe(side, i, probe, 0))
            continue;
        __u32 eras = clock_era(&context->clock) - era;
        __u32 sample = time_since(&context->clock, probe_time(probe), eras);
        take_round_trip(context, leg, PODRTT_KIND_ECHO, sample);
        return;
    }
}

/* Takes one ICMP echo message into account, if that is wanted. */
static __noinline void process_echo(struct __sk_buff *skb, struct packet *packet, enum direction direction)
{
    enum podrtt_leg own = (enum podrtt_leg)direction;

    if (!read_setting(PODRTT_SETTING_ECHO))
        return;
    struct context context = {.skb = skb, .packet = packet};
    __u64 hash = hash_flow_key(&packet->key);
    context.flow = find_flow(&packet->key, hash);
    if (!context.flow && packet->flags & ECHO_REQUEST)
        context.flow = create_flow(&packet->key, hash, find_peer(packet));
    if (!context.flow)
        return;
    context.flow->side[own].sent += 1ull << PODRTT_PACKETS_SHIFT;
    if (packet->flags & ECHO_REQUEST)
        send_echo(&context, own);
    else
        answer_echo(&context, other_leg(own));
}

#endif
