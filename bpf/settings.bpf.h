/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What user space may change while the programs run. */
#ifndef PODRTT_SETTINGS_BPF_H
#define PODRTT_SETTINGS_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/podrtt.h"

/* By enum podrtt_setting; written by user space. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PODRTT_MAX_SETTINGS);
    __type(key, __u32);
    __type(value, __u64);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} settings SEC(".maps");

static __always_inline __u64 read_setting(enum podrtt_setting setting)
{
    __u32 key = setting;
    __u64 *value = bpf_map_lookup_elem(&settings, &key);

    return value ? *value : 0;
}

#endif
