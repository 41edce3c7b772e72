/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Counts what is left out. These are rare, so one shared counter a reason will do. */
#ifndef PODRTT_DROP_BPF_H
#define PODRTT_DROP_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/podrtt.h"

/* What was left out, by enum podrtt_drop. User space maps it into its memory, to count too. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PODRTT_MAX_DROPS);
    __type(key, __u32);
    __type(value, __u64);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

static __noinline void count_drop(enum podrtt_drop reason)
{
    __u32 key = reason;
    __u64 *count = bpf_map_lookup_elem(&drops, &key);

    if (count)
        __sync_fetch_and_add(count, 1);
}

#endif
