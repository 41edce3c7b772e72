/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Ethernet, VLAN tags, IPv4 and IPv6 with all that may stand before the transport header. */
#ifndef PODRTT_IP_BPF_H
#define PODRTT_IP_BPF_H

#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>

#include "bpf/packet.bpf.h"

#define MAX_VLAN_TAGS 2         /* IEEE 802.1ad: QinQ */
#define MAX_EXTENSION_HEADERS 6 /* RFC 8200, 4.1: each of the kinds below at most once or twice */
#define MAX_EXTENSIONS_LENGTH (MAX_EXTENSION_HEADERS * (8 + 255 * 8))
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

struct vlan_tag {
    __be16 tci;
    __be16 protocol;
};

struct ipv6_extension {
    __u8 next_header;
    __u8 length;
    __be16 fragment; /* in a fragment header: offset and flags */
    __be32 identification;
};

/* Returns the EtherType behind VLAN tags, in network byte order; 0 beyond the linear part. */
static __always_inline __be16 parse_ethernet(struct cursor *cursor)
{
    struct ethhdr *ethernet = take(cursor, sizeof(*ethernet));

    if (!ethernet)
        return 0;
    __be16 protocol = ethernet->h_proto;
    for (int i = 0; i < MAX_VLAN_TAGS; i++) {
        if (likely(protocol != bpf_htons(ETH_P_8021Q) && protocol != bpf_htons(ETH_P_8021AD)))
            break;
        struct vlan_tag *tag = take(cursor, sizeof(*tag));
        if (!tag)
            return 0;
        protocol = tag->protocol;
    }
    return protocol;
}

/* IPv4 addresses are kept v4-mapped (RFC 4291, 2.5.5.2). The verifier need not know that their first half
 * is 0, which would make all that follows another way through the program than that of IPv6. */
static __always_inline void set_address_v4(__u8 *address, __be32 v4)
{
    __u64 zero = hide_from_verifier(0ull, v4);

    __builtin_memcpy(address, &zero, 8);
    __builtin_memset(address + 8, 0, 2);
    __builtin_memset(address + 10, 0xff, 2);
    __builtin_memcpy(address + 12, &v4, 4);
}

static __always_inline void set_address_v6(__u8 *address, const struct in6_addr *v6)
{
    __builtin_memcpy(address, v6, 16);
}

/* The addresses of a packet's sender and receiver in its flow's key. */
static __always_inline __u8 *source_address(struct podrtt_flow_key *key, enum direction direction)
{
    return direction == FROM_POD ? key->pod_address : key->peer_address;
}

static __always_inline __u8 *destination_address(struct podrtt_flow_key *key, enum direction direction)
{
    return direction == FROM_POD ? key->peer_address : key->pod_address;
}

/*
 * Bytes from the IP header on, as the header says; Ethernet may have padded the
 * packet beyond. A GSO packet longer than 64 KiB says 0 (BIG TCP).
 */
static __always_inline __u32 ip_length(const struct __sk_buff *skb, __u32 said, __u32 ip_offset)
{
    return unlikely(said == 0) && skb->gso_size ? skb->len - ip_offset : said;
}

/*
 * Both IP parsers set addresses and protocol of the packet's key, leave the cursor behind the
 * IP headers, and the bytes from there on, payload included, in *segment_length. A first
 * fragment's payload is not all of its segment's: only its acknowledgement is used.
 * PARSE_ECHO means any message of ICMP, PARSE_DNS any of UDP.
 */

static __always_inline enum parse_result parse_ipv4(const struct __sk_buff *skb, struct cursor *cursor,
                                                    enum direction direction, struct packet *packet,
                                                    __u32 *segment_length)
{
    __u32 ip_offset = cursor->offset;
    struct iphdr *ip = take(cursor, sizeof(*ip));

    if (!ip)
        return PARSE_NOT_LINEAR;
    enum parse_result result = PARSE_TCP;
    if (unlikely(ip->protocol != IPPROTO_TCP)) {
        if (ip->protocol == IPPROTO_ICMP)
            result = PARSE_ECHO;
        else if (ip->protocol == IPPROTO_UDP)
            result = PARSE_DNS;
        else
            return PARSE_OTHER;
    }
    __u32 header_length = ip->ihl * 4;
    __u32 length = ip_length(skb, bpf_ntohs(ip->tot_len), ip_offset);
    if (unlikely(header_length < sizeof(*ip) || length < header_length))
        return parse_drop(PODRTT_DROP_BAD_HEADER);
    if (unlikely(length > skb->len - ip_offset))
        return parse_drop(PODRTT_DROP_TRUNCATED);
    __u16 fragment = bpf_ntohs(ip->frag_off);
    if (unlikely(fragment & IPV4_FRAGMENT_OFFSET))
        return result == PARSE_TCP ? parse_drop(PODRTT_DROP_FRAGMENT) : PARSE_OTHER;
    packet->partial = fragment & IPV4_MORE_FRAGMENTS;

    packet->key.protocol = ip->protocol;
    set_address_v4(source_address(&packet->key, direction), ip->saddr);
    set_address_v4(destination_address(&packet->key, direction), ip->daddr);
    *segment_length = length - header_length;
    if (!take(cursor, header_length - sizeof(*ip)))
        return PARSE_NOT_LINEAR;
    return result;
}

/* A packet without an end to its extension headers; no TCP segment begins at 0. */
#define NO_SEGMENT 0
#define SEGMENT_PARTIAL (1u << 31)
#define SEGMENT_UDP (1u << 30)

/*
 * Walks IPv6 extension headers (RFC 8200) from `offset` on, and returns where the TCP or UDP
 * header begins, with SEGMENT_UDP for this, with SEGMENT_PARTIAL if this is the first of several
 * fragments, or NO_SEGMENT. Not static, so that the verifier looks at the loop once.
 */
__noinline __u32 skip_extensions(struct __sk_buff *skb, __u32 offset, __u32 next_header)
{
    __u32 partial = 0;

    for (int i = 0; i < MAX_EXTENSION_HEADERS && next_header != IPPROTO_TCP && next_header != IPPROTO_UDP;
         i++) {
        if (next_header != IPPROTO_HOPOPTS && next_header != IPPROTO_ROUTING &&
            next_header != IPPROTO_DSTOPTS && next_header != IPPROTO_FRAGMENT && next_header != IPPROTO_AH)
            return NO_SEGMENT;
        struct ipv6_extension extension;
        if (bpf_skb_load_bytes(skb, offset, &extension, sizeof(extension))) {
            count_drop(PODRTT_DROP_TRUNCATED);
            return NO_SEGMENT;
        }
        offset += sizeof(extension);
        if (next_header == IPPROTO_FRAGMENT) {
            __u16 fragment = bpf_ntohs(extension.fragment);
            if (fragment & IPV6_FRAGMENT_OFFSET) {
                if (extension.next_header == IPPROTO_TCP)
                    count_drop(PODRTT_DROP_FRAGMENT);
                return NO_SEGMENT;
            }
            partial = fragment & IPV6_MORE_FRAGMENTS ? SEGMENT_PARTIAL : 0;
        } else if (next_header == IPPROTO_AH) {
            if (extension.length < 1) {
                count_drop(PODRTT_DROP_BAD_HEADER);
                return NO_SEGMENT;
            }
            offset += extension.length * 4; /* RFC 4302: units of 4 bytes beyond the first 8 */
        } else {
            offset += extension.length * 8; /* RFC 8200: units of 8 bytes beyond the first 8 */
        }
        next_header = extension.next_header;
    }
    if (next_header == IPPROTO_UDP)
        return offset | partial | SEGMENT_UDP;
    return next_header == IPPROTO_TCP ? offset | partial : NO_SEGMENT;
}

static __always_inline enum parse_result parse_ipv6(struct __sk_buff *skb, struct cursor *cursor,
                                                    enum direction direction, struct packet *packet,
                                                    __u32 *segment_length)
{
    __u32 ip_offset = cursor->offset;
    struct ipv6hdr *ip = take(cursor, sizeof(*ip));

    if (!ip)
        return PARSE_NOT_LINEAR;
    __u8 next_header = ip->nexthdr;
    __u32 said = bpf_ntohs(ip->payload_len);
    __u32 end = ip_offset + ip_length(skb, said ? said + sizeof(*ip) : 0, ip_offset);
    if (unlikely(end > skb->len))
        return parse_drop(PODRTT_DROP_TRUNCATED);

    set_address_v6(source_address(&packet->key, direction), &ip->saddr);
    set_address_v6(destination_address(&packet->key, direction), &ip->daddr);

    enum parse_result result = PARSE_TCP;
    packet->key.protocol = IPPROTO_TCP;
    if (unlikely(next_header == IPPROTO_ICMPV6)) {
        result = PARSE_ECHO;
        packet->key.protocol = IPPROTO_ICMPV6;
    } else if (unlikely(next_header != IPPROTO_TCP)) {
        __u32 segment = skip_extensions(skb, cursor->offset, next_header);
        if (segment == NO_SEGMENT)
            return PARSE_OTHER;
        packet->partial = segment & SEGMENT_PARTIAL;
        if (segment & SEGMENT_UDP) {
            result = PARSE_DNS;
            packet->key.protocol = IPPROTO_UDP;
        }
        segment &= ~(SEGMENT_PARTIAL | SEGMENT_UDP);
        __u32 length = segment - cursor->offset;
        if (length > MAX_EXTENSIONS_LENGTH) /* never; the verifier cannot know */
            return PARSE_OTHER;
        if (!take(cursor, length))
            return PARSE_NOT_LINEAR;
    }

    if (unlikely(cursor->offset > end))
        return parse_drop(PODRTT_DROP_BAD_HEADER);
    *segment_length = end - cursor->offset;
    return result;
}

#endif
