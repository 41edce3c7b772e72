/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The two programs of a pod's host veth, and the same two for the interface inside the pod.
 * They only look: they change no packet and return TC_ACT_UNSPEC, so that whatever else is
 * attached runs as if they were not there.
 */
#include "flow.bpf.h"

#include <linux/pkt_cls.h>

/* Identity of each pod, by pod id; written and read by user space. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PODRTT_DEFAULT_PODS);
    __type(key, __u32);
    __type(value, struct podrtt_pod);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} pods SEC(".maps");

/* Name of each peer class. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, PODRTT_MAX_PEERS);
    __type(key, __u32);
    __type(value, char[PODRTT_PEER_NAME_SIZE]);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} peer_names SEC(".maps");

/* Samples of deleted pods, by namespace; user space only. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PODRTT_MAX_TOTALS);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __type(key, struct podrtt_total_key);
    __type(value, struct podrtt_histogram);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} totals SEC(".maps");

/* The move into `totals` that is under way; user space only. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct podrtt_journal);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} journal SEC(".maps");

static __always_inline int watch(struct __sk_buff *skb, enum direction direction, __u32 pod)
{
    struct packet packet;

    packet.key.pod = pod;
    enum parse_result result = parse_packet(skb, direction, &packet);
    if (unlikely(result == PARSE_ICMP))
        process_echo(skb, &packet, (enum podrtt_leg)direction);
    if (result != PARSE_TCP)
        return TC_ACT_UNSPEC;

    merge_ways(&packet);
    __u64 hash = hash_flow_key(&packet.key);
    struct podrtt_flow *flow = find_flow(&packet.key, hash);
    if (unlikely(!flow))
        flow = begin_flow(&packet, hash);
    if (flow && unlikely(process_segment(skb, &packet, flow, (enum podrtt_leg)direction)))
        delete_flow(flow, &packet.key);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int podrtt_from_pod(struct __sk_buff *skb)
{
    return watch(skb, FROM_POD, skb->ifindex);
}

SEC("tc")
int podrtt_to_pod(struct __sk_buff *skb)
{
    return watch(skb, TO_POD, skb->ifindex);
}

SEC("tc")
int podrtt_pod_out(struct __sk_buff *skb)
{
    return watch(skb, FROM_POD, PODRTT_ID_IN_POD | skb->tc_classid);
}

SEC("tc")
int podrtt_pod_in(struct __sk_buff *skb)
{
    return watch(skb, TO_POD, PODRTT_ID_IN_POD | skb->tc_classid);
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
