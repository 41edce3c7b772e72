/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What other programs do to a pod's packets, for tests: BPF host routing, which hands them
 * to the pod past its host veth, and VLAN tags.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* The pod that packets go to, set by the test. */
struct destination {
    __u32 host_ifindex;
    __u8 mac[ETH_ALEN];
    __u8 pad[2];
};

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct destination);
} pod SEC(".maps");

/* At the ingress of an uplink. */
SEC("tc")
int to_pod_directly(struct __sk_buff *skb)
{
    __u32 key = 0;
    struct destination *destination = bpf_map_lookup_elem(&pod, &key);

    if (!destination || !destination->host_ifindex || skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_UNSPEC;
    bpf_skb_store_bytes(skb, 0, destination->mac, ETH_ALEN, 0);
    return bpf_redirect_peer(destination->host_ifindex, 0);
}

/* At the egress of the pod: the first tag goes into the packet when the second is put into
 * the skb, as a device with VLAN offload has it. */
SEC("tc")
int push_tags(struct __sk_buff *skb)
{
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return TC_ACT_UNSPEC;
    bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 100);
    bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 200);
    return TC_ACT_UNSPEC;
}

/* At the host veth, behind podrtt. */
SEC("tc")
int pop_tags(struct __sk_buff *skb)
{
    bpf_skb_vlan_pop(skb);
    bpf_skb_vlan_pop(skb);
    return TC_ACT_UNSPEC;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
