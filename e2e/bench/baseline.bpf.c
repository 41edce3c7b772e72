/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the data path's cost is compared with: a program that does nothing, one that parses, and one that
 * does the least that any monitor of flows must, to parse and to look the flow up.
 */
#include <linux/pkt_cls.h>

#include "bpf/flow.h"
#include "bpf/parse.bpf.h"

/* What is kept of a flow, beside its key. */
struct state {
    __u8 flags;
    __u8 rest[sizeof(struct podrtt_flow) - sizeof(struct podrtt_flow_key) - 1];
};

/* As large as the data path's own. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, PODRTT_DEFAULT_FLOWS);
    __type(key, struct podrtt_flow_key);
    __type(value, struct state);
} seen SEC(".maps");

static __always_inline int parse(struct __sk_buff *skb, enum direction direction)
{
    struct packet packet = {};

    parse_packet(skb, direction, &packet);
    asm volatile("" : : "r"(&packet) : "memory"); /* so that it is not for nothing */
    return TC_ACT_UNSPEC;
}

static __always_inline int look_up(struct __sk_buff *skb, enum direction direction)
{
    struct packet packet = {};

    packet.key.pod = (__u16)skb->ifindex;
    if (parse_packet(skb, direction, &packet) != PARSE_TCP)
        return TC_ACT_UNSPEC;
    struct state *state = bpf_map_lookup_elem(&seen, &packet.key);
    if (state) {
        /* One access, so that the look-up is not for nothing. */
        state->flags = (__u8)packet.flags;
    } else if (packet.length || packet.flags & TCP_SYN) {
        static const struct state empty;
        bpf_map_update_elem(&seen, &packet.key, &empty, BPF_NOEXIST);
    }
    return TC_ACT_UNSPEC;
}

SEC("tc")
int empty_from_pod(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}

SEC("tc")
int empty_to_pod(struct __sk_buff *skb)
{
    (void)skb;
    return TC_ACT_UNSPEC;
}

SEC("tc")
int parse_from_pod(struct __sk_buff *skb)
{
    return parse(skb, FROM_POD);
}

SEC("tc")
int parse_to_pod(struct __sk_buff *skb)
{
    return parse(skb, TO_POD);
}

SEC("tc")
int lookup_from_pod(struct __sk_buff *skb)
{
    return look_up(skb, FROM_POD);
}

SEC("tc")
int lookup_to_pod(struct __sk_buff *skb)
{
    return look_up(skb, TO_POD);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
