/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Samples reported one by one, while somebody reads them. */
#ifndef PODRTT_EVENT_BPF_H
#define PODRTT_EVENT_BPF_H

#include "clock.bpf.h"
#include "drop.bpf.h"

/* By enum podrtt_setting; written by user space. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PODRTT_SETTINGS);
    __type(key, __u32);
    __type(value, __u64);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

/* Records of struct podrtt_event; one reader at a time. */
struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, PODRTT_EVENTS_SIZE);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");

static __always_inline bool events_are_read(struct clock *clock)
{
    __u32 key = PODRTT_SETTING_EVENTS_UNTIL;
    __u64 *until = bpf_map_lookup_elem(&settings, &key);

    return until && *until && clock_ns(clock) < *until;
}

/* Room for one event, to be submitted; NULL, and counted, if there is none. */
static __always_inline struct podrtt_event *reserve_event(void)
{
    struct podrtt_event *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);

    if (!event)
        count_drop(PODRTT_DROP_EVENTS_FULL);
    return event;
}

#endif
