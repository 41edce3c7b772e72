/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wait for a name: from a DNS query to its answer. The same query sent again counts from the first.
 * A query is a flow, with its ID in the place of the server's port: so it needs no memory but a place in
 * the table, and a flood of queries makes room among its own pod's (flow_table.bpf.h).
 */
#ifndef PODRTT_DNS_BPF_H
#define PODRTT_DNS_BPF_H

#include "bpf/flow_table.bpf.h"
#include "bpf/peer.bpf.h"
#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/settings.bpf.h"
#include "bpf/udp.bpf.h"

/* What of a name tells two questions of one ID apart: enough, and few enough to look at. */
#define DNS_NAME_BYTES 32

/* Distinguishes the ID 0 from a free slot. */
#define DNS_END(id) ((id) | 1u << 16)

/* A sum of the beginning of the question's name, upper and lower case alike (0x20 mixing). Not static, so
 * that the verifier looks at the loop once. */
__noinline __u32 question_sum(struct __sk_buff *skb, __u32 offset, __u32 length)
{
    __u8 name[DNS_NAME_BYTES] = {};
    __u32 sum = 0;

    if (length == 0)
        return 0;
    if (length > sizeof(name))
        length = sizeof(name);
    length--;
    barrier_var(length); /* from here on the verifier knows that it is 1 to 32 */
    length = (length & (sizeof(name) - 1)) + 1;
    if (bpf_skb_load_bytes(skb, offset, name, length))
        return 0;
    for (__u32 i = 0; i < DNS_NAME_BYTES && name[i]; i++)
        sum = sum * 31 + (name[i] | 0x20);
    return sum;
}

static __always_inline void send_query(struct context *context, enum podrtt_leg leg, __u32 question)
{
    struct podrtt_side *side = &context->flow->side[leg];
    __u32 era = clock_era(&context->clock);

    if (READ_ONCE(side->probe[0]) && side->acked == question &&
        era - READ_ONCE(side->tsval[0]) < PODRTT_STALE_ERAS)
        return; /* sent again */
    side->acked = question;
    arm_slot(side, 0, DNS_END(context->packet->ack), clock_time(&context->clock), era);
    add_count(context->packet->key.pod, leg, PODRTT_COUNT_DNS_QUERIES);
}

/* Some errors come without the question. */
static __always_inline bool is_answer_to(const struct packet *packet, const struct podrtt_side *side,
                                         __u32 question)
{
    return packet->seq ? side->acked == question : packet->flags & DNS_RCODE;
}

/* False if nobody waits for it. */
static __always_inline bool answer_query(struct context *context, enum podrtt_leg leg, __u32 question)
{
    struct podrtt_side *side = &context->flow->side[leg];
    struct packet *packet = context->packet;
    __u64 probe = READ_ONCE(side->probe[0]);
    __u32 era = READ_ONCE(side->tsval[0]);

    if (!probe || !is_answer_to(packet, side, question) || !swap_probe(side, 0, probe, 0))
        return false;
    take_wait(context, leg, PODRTT_KIND_DNS, probe_time(probe), clock_era(&context->clock) - era);
    add_count(packet->key.pod, leg, PODRTT_COUNT_DNS_ANSWERS + (packet->flags & DNS_RCODE));
    return true;
}

/* Takes one DNS message into account, if that is wanted. */
static __noinline void process_dns(struct __sk_buff *skb, struct packet *packet, enum direction direction)
{
    enum podrtt_leg own = (enum podrtt_leg)direction;

    if (!read_setting(PODRTT_SETTING_DNS))
        return;
    struct context context = {.skb = skb, .packet = packet};
    __u64 hash = hash_flow_key(&packet->key);
    __u32 question = question_sum(skb, packet->options_offset, packet->length);
    context.flow = find_flow(&packet->key, hash);
    if (packet->flags & DNS_RESPONSE) {
        if (context.flow && answer_query(&context, other_leg(own), question))
            delete_flow(context.flow, &packet->key);
        else
            count_drop(PODRTT_DROP_DNS_UNASKED);
        return;
    }
    if (!context.flow)
        context.flow = create_flow(&packet->key, hash, find_peer(packet));
    if (context.flow)
        send_query(&context, own, question);
}

#endif
