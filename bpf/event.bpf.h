/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples, and what becomes of connections, reported one by one while somebody reads them. */
#ifndef PODRTT_EVENT_BPF_H
#define PODRTT_EVENT_BPF_H

#include "bpf/context.bpf.h"
#include "bpf/drop.bpf.h"
#include "bpf/settings.bpf.h"
#include "bpf/tcp.bpf.h"

/* Records of struct podrtt_event; bpf/user/event_ring.h reads them. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PODRTT_EVENTS_SIZE);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");

static __always_inline bool events_are_read(struct clock *clock)
{
    __u64 until = read_setting(PODRTT_SETTING_EVENTS_UNTIL);

    return until && clock_ns(clock) < until;
}

/* `rtt` as struct podrtt_event has it. */
static __noinline void report(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                              __u64 rtt)
{
    const struct podrtt_flow *flow = context->flow;
    struct podrtt_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop(PODRTT_DROP_EVENTS_FULL);
        return;
    }
    event->time = clock_ns(&context->clock);
    event->rtt = rtt;
    event->min_rtt = (__u64)flow->side[leg].min_rtt * PODRTT_TIME_UNIT_NS;
    for (int i = 0; i < PODRTT_LEGS; i++) {
        __u64 sent = flow->side[i].sent;
        event->bytes[i] = sent & ((1ull << PODRTT_PACKETS_SHIFT) - 1);
        event->packets[i] = sent >> PODRTT_PACKETS_SHIFT;
    }
    __builtin_memcpy(&event->flow, &context->packet->key, sizeof(event->flow));
    event->ack = context->packet->ack;
    event->leg = leg;
    event->kind = kind;
    event->peer = flow->peer;
    event->pad = 0;
    bpf_ringbuf_submit(event, 0);
}

/* That a packet has opened the connection, or has closed it, if it had opened; `leg` is what its receiver's
 * data measures. Not static, so that the verifier looks at it once, and not for each way that leads here.
 */
__noinline int report_connection(struct packet *packet, struct podrtt_flow *flow, __u32 leg, __u32 kind)
{
    if (!packet || !flow)
        return 0;
    struct context context = {.packet = packet, .flow = flow};
    enum podrtt_reason opened_by = packet->flags & TCP_SYN ? PODRTT_REASON_SYN_ACK : PODRTT_REASON_FIRST;
    enum podrtt_reason closed_by = packet->flags & TCP_RST ? PODRTT_REASON_RST : PODRTT_REASON_FIN;

    if (flow->counted & PODRTT_COUNTED_MATCHED && events_are_read(&context.clock))
        report(&context, leg ? PODRTT_LEG_POD : PODRTT_LEG_NETWORK, kind,
               kind == PODRTT_KIND_OPENED ? opened_by : closed_by);
    return 0;
}

#endif
