/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose packet it is (podrtt.h, Pods). */
#ifndef PODRTT_POD_ID_BPF_H
#define PODRTT_POD_ID_BPF_H

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/podrtt.h"

/* Ids by ifindex of the host veth, for programs on TCX; written by the one who attaches them. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PODRTT_DEFAULT_PODS);
    __type(key, __u32);
    __type(value, __u32);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} tcx_pods SEC(".maps");

#ifdef PODRTT_TEST
__u16 fake_classid; /* set by unit tests: BPF_PROG_TEST_RUN has no filter */
#define CLASSID(skb) fake_classid
#else
#define CLASSID(skb) (skb)->tc_classid
#endif

/* 0: no pod. */
static __always_inline __u16 pod_id_of_filter(const struct __sk_buff *skb)
{
    (void)skb;
    return (__u16)CLASSID(skb);
}

static __always_inline __u16 pod_id_of_interface(const struct __sk_buff *skb)
{
    __u32 ifindex = skb->ifindex;
    __u32 *id = bpf_map_lookup_elem(&tcx_pods, &ifindex);

    return id ? (__u16)*id : 0;
}

#endif
