/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The wait for an answer: from the last byte of a request to the first byte of what answers it.
 *
 * Requests are what the end sends that has begun the connection, or that has the port of a client. A
 * response is the first data that follows on what the requester had got when it asked, if its ACK equals
 * the end of the request, and that is the last that the requester has sent. So what is sent before the
 * request is answered makes it no request: pieces of one write, or of two at once, are; else the connection
 * is multiplexed, and what answers what cannot be known. HTTP/2 is so from the beginning.
 */
#ifndef PODRTT_TCP_RESPONSE_BPF_H
#define PODRTT_TCP_RESPONSE_BPF_H

#include "bpf/probe.bpf.h"
#include "bpf/sample.bpf.h"
#include "bpf/tcp.bpf.h"

/* Head and body of a request are written one after the other: within 64 µs, in units of 32 ns. */
#define MAX_WRITE_GAP 2048

/* Who sends so much before he is answered sends one large request, in what writes ever. */
#define LARGE_REQUEST 32768

/* How far the kernel's tick may lag behind its clock, jiffies. */
#define MAX_TICK_ERROR 25

/* Where no SYN tells: the ports that clients use begin here (Linux: ip_local_port_range; Windows: later).
 */
#define FIRST_CLIENT_PORT 32768

/* Of a connection that is met after its SYN. */
static __always_inline bool has_port_of_client(const struct podrtt_flow_key *key, enum podrtt_leg leg)
{
    __u16 pod = bpf_ntohs(key->pod_port);
    __u16 peer = bpf_ntohs(key->peer_port);

    if (leg == PODRTT_LEG_NETWORK)
        return pod >= FIRST_CLIENT_PORT && peer < FIRST_CLIENT_PORT;
    return peer >= FIRST_CLIENT_PORT && pod < FIRST_CLIENT_PORT;
}

/* Whether this is the second write of a request, which follows on the first at once. */
static __noinline bool is_second_write(struct context *context, const struct podrtt_side *side)
{
    __u32 last = last_slot(side);

    if (last >= PODRTT_PROBES)
        return false;
    for (__u32 i = 0; i < PODRTT_PROBES; i++)
        if (i != last && READ_ONCE(side->probe[i]))
            return false; /* of an earlier one */
    __u64 probe = READ_ONCE(side->probe[last]);
    __u32 time = probe ? probe_time(probe) : READ_ONCE(side->tsval[last]);
    return clock_time(&context->clock) - time <= MAX_WRITE_GAP;
}

/* The client's connection preface (RFC 9113, 3.4), up to its first blank. */
#define HTTP2_PREFACE bpf_htonl('P' << 24 | 'R' << 16 | 'I' << 8 | ' ')

/* The first data of a connection says so, where it is not encrypted. */
static __noinline bool begins_http2(const struct context *context)
{
    __u32 length = context->packet->length;
    __be32 first = 0;

    return length >= sizeof(first) &&
           !bpf_skb_load_bytes(context->skb, context->skb->len - length, &first, sizeof(first)) &&
           first == HTTP2_PREFACE;
}

static __always_inline bool is_first_data(const struct packet *packet, const struct podrtt_side *side)
{
    return (side->sent & ((1ull << PODRTT_PACKETS_SHIFT) - 1)) == packet->length;
}

/* New data of a client, before it is armed: whether it may be a request, or the rest of one. */
static __always_inline bool may_ask(struct context *context, struct podrtt_side *side, __u16 now)
{
    __u16 gap = now - side->sent_at;
    __u16 flags = side->flags;

    if (unlikely(is_first_data(context->packet, side)) && begins_http2(context)) {
        side->flags &= ~PODRTT_CLIENT;
        return false;
    }
    if (!(flags & PODRTT_OPEN)) {
        if (likely(!(flags & PODRTT_MULTIPLEXED)))
            return true;
        if (gap < multiplexed_for)
            return false;
        side->flags &= ~PODRTT_MULTIPLEXED;
        return true;
    }
    if (gap <= 1)
        return flags & PODRTT_REQUEST && is_second_write(context, side);
    if (side->run < LARGE_REQUEST)
        side->flags |= PODRTT_MULTIPLEXED;
    return false;
}

/* The slot that watches a request's end, or watched it; PODRTT_PROBES or more if there is none. */
static __always_inline __u32 request_slot(const struct podrtt_side *asking)
{
    return asking->flags & PODRTT_REQUEST ? asking->flags & PODRTT_SLOT : PODRTT_PROBES;
}

/* The packet's data is the first that follows on what the requester had got. */
static __always_inline bool is_first_answer(const struct packet *packet, const struct podrtt_side *asking,
                                            const struct podrtt_side *answering)
{
    return packet->length && packet->seq == answering->end && packet->seq == asking->acked &&
           answering->phase >= PODRTT_WAITING;
}

/* Eras wrap after hours, which an answer may take; so do the jiffies since the request, but not alike. */
static __always_inline void end_response(struct context *context, enum podrtt_leg leg, __u32 time)
{
    const struct podrtt_side *asking = &context->flow->side[leg];
    __u8 eras = eras_since_armed(&context->clock, asking);
    __u16 jiffies = clock_jiffies() - asking->sent_at;
    __u64 apart =
        (__u64)jiffies * jiffy_time + MAX_TICK_ERROR * jiffy_time - (clock_time(&context->clock) - time);

    if (apart > 2 * MAX_TICK_ERROR * (__u64)jiffy_time)
        eras = PODRTT_STALE_ERAS;
    take_wait(context, leg, PODRTT_KIND_RESPONSE, time, eras);
}

/* The packet's ACK has taken the slot that watched the request's end. If it comes without data, the slot's
 * TSval, which nothing else needs any more, makes room for the time. */
static __noinline void acknowledge_request(struct context *context, enum podrtt_leg leg, __u32 slot,
                                           __u32 time)
{
    struct podrtt_side *asking = &context->flow->side[leg];
    struct podrtt_side *answering = &context->flow->side[other_leg(leg)];

    answering->flags &= ~PODRTT_ASKED;
    if (is_first_answer(context->packet, asking, answering)) {
        end_response(context, leg, time);
    } else if (!context->packet->length && slot < PODRTT_PROBES) {
        WRITE_ONCE(asking->tsval[slot], time);
        answering->flags |= PODRTT_ASKED;
    }
}

/* The first data of an end that has acknowledged a request before, on the leg of that. A FIN may have
 * followed on the request. */
static __noinline void answer_request(struct context *context, enum podrtt_leg leg)
{
    struct podrtt_side *asking = &context->flow->side[leg];
    struct podrtt_side *answering = &context->flow->side[other_leg(leg)];
    __u32 last = last_slot(asking);
    __u32 fin = asking->flags & PODRTT_FIN ? 1 : 0;

    answering->flags &= ~PODRTT_ASKED;
    if (last < PODRTT_PROBES && asking->flags & PODRTT_REQUEST && !READ_ONCE(asking->probe[last]) &&
        asking->end - context->packet->ack <= fin && is_first_answer(context->packet, asking, answering))
        end_response(context, leg, READ_ONCE(asking->tsval[last]));
}

#endif
