/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples reported one by one, while somebody reads them. */
#ifndef PODRTT_EVENT_BPF_H
#define PODRTT_EVENT_BPF_H

#include "bpf/context.bpf.h"
#include "bpf/drop.bpf.h"
#include "bpf/settings.bpf.h"

/* Records of struct podrtt_event; one reader at a time. */
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

static __noinline void report_sample(struct context *context, enum podrtt_leg leg, enum podrtt_kind kind,
                                     __u32 sample)
{
    const struct podrtt_flow *flow = context->flow;
    struct podrtt_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event) {
        count_drop(PODRTT_DROP_EVENTS_FULL);
        return;
    }
    event->time = clock_ns(&context->clock);
    event->rtt = (__u64)sample * PODRTT_TIME_UNIT_NS;
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

#endif
