/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A program for each direction of a pod, once for cls_bpf and once for TCX. They only look: they
 * change no packet and return TC_ACT_UNSPEC, so that whatever else is attached runs as if they
 * were not there.
 */
#include <linux/pkt_cls.h>

#include "bpf/dns.bpf.h"
#include "bpf/icmp_echo.bpf.h"
#include "bpf/pod_id.bpf.h"
#include "bpf/tcp_rtt.bpf.h"

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

static __always_inline int watch(struct __sk_buff *skb, enum direction direction, __u16 pod)
{
    struct packet packet;

    if (unlikely(!pod)) {
        count_drop(PODRTT_DROP_NO_POD);
        return TC_ACT_UNSPEC;
    }
    packet.key.pod = pod;
    packet.key.pad = 0;
    enum parse_result result = parse_packet(skb, direction, &packet);
    if (likely(result == PARSE_TCP))
        process_tcp(skb, &packet, direction);
    else if (unlikely(result == PARSE_ECHO))
        process_echo(skb, &packet, direction);
    else if (unlikely(result == PARSE_DNS))
        process_dns(skb, &packet, direction);
    return TC_ACT_UNSPEC;
}

SEC("tc")
int podrtt_from_pod(struct __sk_buff *skb)
{
    return watch(skb, FROM_POD, pod_id_of_filter(skb));
}

SEC("tc")
int podrtt_to_pod(struct __sk_buff *skb)
{
    return watch(skb, TO_POD, pod_id_of_filter(skb));
}

SEC("tc")
int podrtt_tcx_from(struct __sk_buff *skb)
{
    return watch(skb, FROM_POD, pod_id_of_interface(skb));
}

SEC("tc")
int podrtt_tcx_to(struct __sk_buff *skb)
{
    return watch(skb, TO_POD, pod_id_of_interface(skb));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
