/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a packet's bytes to what matching needs of its TCP segment. */
#ifndef PODRTT_PACKET_BPF_H
#define PODRTT_PACKET_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "compiler.bpf.h"
#include "drop.bpf.h"

#define MAX_VLAN_TAGS 2         /* IEEE 802.1ad: QinQ */
#define MAX_EXTENSION_HEADERS 6 /* RFC 8200, 4.1: each of the kinds below at most once or twice */
#define MAX_EXTENSIONS_LENGTH (MAX_EXTENSION_HEADERS * (8 + 255 * 8))
#define MAX_HEADERS_LENGTH 256 /* bytes made linear when the headers are not */
#define IPV4_FRAGMENT_OFFSET 0x1fff
#define IPV4_MORE_FRAGMENTS 0x2000
#define IPV6_FRAGMENT_OFFSET 0xfff8
#define IPV6_MORE_FRAGMENTS 1

#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define ICMP_ECHO_REQUEST 8 /* RFC 792 */
#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128 /* RFC 4443, 4.1 */
#define ICMPV6_ECHO_REPLY 129
#define ECHO_REQUEST 1

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LENGTH 4
#define TCP_OPTION_SACK_PERMITTED 4
#define TCP_OPTION_SACK_PERMITTED_LENGTH 2
#define TCP_OPTION_TIMESTAMPS 8
#define TCP_OPTION_TIMESTAMPS_LENGTH 10
#define TCP_MAX_OPTIONS_LENGTH 40

/* Which way a packet goes; also the index of its sender's side in a flow. */
enum direction {
    FROM_POD = PODRTT_LEG_NETWORK,
    TO_POD = PODRTT_LEG_POD,
};

/* RFC 7323, 3.2; host byte order. 0 and 0 if a segment has none. */
struct timestamps {
    __u32 tsval;
    __u32 tsecr;
};

/* A TCP segment; numbers in host byte order. */
struct packet {
    struct podrtt_flow_key key;
    __u32 seq;
    __u32 ack;
    __u32 length;  /* bytes of payload */
    __u32 flags;   /* TCP_FIN … */
    __u32 partial; /* the first of several IP fragments */
    __u32 options_offset;
    __u32 options_length;         /* 0 if there is nothing in them left to look for */
    struct timestamps timestamps; /* if they stand where they usually do */
};

enum parse_result {
    PARSE_TCP,
    PARSE_ICMP,       /* an ICMP echo message; from parse_ipv4() and parse_ipv6() any of ICMP */
    PARSE_OTHER,      /* neither, or not all of it */
    PARSE_NOT_LINEAR, /* the headers reach beyond the linear part */
};

static __always_inline enum parse_result parse_drop(enum podrtt_drop reason)
{
    count_drop(reason);
    return PARSE_OTHER;
}

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

/* Where parsing stands. */
struct cursor {
    void *position;
    void *data_end;
    __u32 offset; /* of position in the packet */
};

/* `bytes` at the cursor, which moves behind them; NULL beyond the linear part. */
static __always_inline void *take(struct cursor *cursor, __u32 bytes)
{
    void *taken = cursor->position;

    if (unlikely(taken + bytes > cursor->data_end))
        return NULL;
    cursor->position = taken + bytes;
    cursor->offset += bytes;
    return taken;
}

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

/* IPv4 addresses are kept v4-mapped (RFC 4291, 2.5.5.2). */
static __always_inline void set_address_v4(__u8 *address, __be32 v4)
{
    __builtin_memset(address, 0, 10);
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

/* Both IP parsers leave the cursor at the TCP header and the bytes from there on,
 * payload included, in *segment_length. A first fragment's payload is not all of
 * its segment's: only its acknowledgement is used, so its length is the header's. */

static __always_inline enum parse_result parse_ipv4(const struct __sk_buff *skb, struct cursor *cursor,
                                                    enum direction direction, struct packet *packet,
                                                    __u32 *segment_length)
{
    __u32 ip_offset = cursor->offset;
    struct iphdr *ip = take(cursor, sizeof(*ip));

    if (!ip)
        return PARSE_NOT_LINEAR;
    bool icmp = ip->protocol == IPPROTO_ICMP;
    if (unlikely(ip->protocol != IPPROTO_TCP && !icmp))
        return PARSE_OTHER;
    __u32 header_length = ip->ihl * 4;
    __u32 length = ip_length(skb, bpf_ntohs(ip->tot_len), ip_offset);
    if (unlikely(header_length < sizeof(*ip) || length < header_length))
        return parse_drop(PODRTT_DROP_BAD_HEADER);
    if (unlikely(length > skb->len - ip_offset))
        return parse_drop(PODRTT_DROP_TRUNCATED);
    __u16 fragment = bpf_ntohs(ip->frag_off);
    if (unlikely(fragment & IPV4_FRAGMENT_OFFSET))
        return icmp ? PARSE_OTHER : parse_drop(PODRTT_DROP_FRAGMENT);
    packet->partial = fragment & IPV4_MORE_FRAGMENTS;

    set_address_v4(source_address(&packet->key, direction), ip->saddr);
    set_address_v4(destination_address(&packet->key, direction), ip->daddr);
    *segment_length = length - header_length;
    if (!take(cursor, header_length - sizeof(*ip)))
        return PARSE_NOT_LINEAR;
    return unlikely(icmp) ? PARSE_ICMP : PARSE_TCP;
}

/* A packet without an end to its extension headers; no TCP segment begins at 0. */
#define NO_SEGMENT 0
#define SEGMENT_PARTIAL (1u << 31)

/*
 * Walks IPv6 extension headers (RFC 8200) from `offset` on, and returns where the TCP
 * header begins, with SEGMENT_PARTIAL if this is the first of several fragments, or
 * NO_SEGMENT. Not static, so that the verifier looks at the loop once.
 */
__noinline __u32 skip_extensions(struct __sk_buff *skb, __u32 offset, __u32 next_header)
{
    __u32 partial = 0;

    for (int i = 0; i < MAX_EXTENSION_HEADERS && next_header != IPPROTO_TCP; i++) {
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

    bool icmp = next_header == IPPROTO_ICMPV6;
    if (unlikely(next_header != IPPROTO_TCP) && !icmp) {
        __u32 segment = skip_extensions(skb, cursor->offset, next_header);
        if (segment == NO_SEGMENT)
            return PARSE_OTHER;
        packet->partial = segment & SEGMENT_PARTIAL;
        segment &= ~SEGMENT_PARTIAL;
        __u32 length = segment - cursor->offset;
        if (length > MAX_EXTENSIONS_LENGTH) /* never; the verifier cannot know */
            return PARSE_OTHER;
        if (!take(cursor, length))
            return PARSE_NOT_LINEAR;
    }

    if (unlikely(cursor->offset > end))
        return parse_drop(PODRTT_DROP_BAD_HEADER);
    *segment_length = end - cursor->offset;
    return unlikely(icmp) ? PARSE_ICMP : PARSE_TCP;
}

/* RFC 7323, appendix A: two NOPs before the option, and nothing else. */
struct usual_options {
    __be32 head; /* NOP, NOP, kind, length */
    __be32 tsval;
    __be32 tsecr;
};

#define USUAL_OPTIONS_HEAD                                                                                 \
    bpf_htonl(TCP_OPTION_NOP << 24 | TCP_OPTION_NOP << 16 | TCP_OPTION_TIMESTAMPS << 8 |                   \
              TCP_OPTION_TIMESTAMPS_LENGTH)

/* As Linux writes the options of a SYN; others may follow. */
struct syn_options {
    __be16 mss_head; /* kind, length */
    __be16 mss;
    __be32 head; /* kind and length of SACK permitted, and of the timestamps */
    __be32 tsval;
    __be32 tsecr;
};

#define SYN_OPTIONS_MSS_HEAD bpf_htons(TCP_OPTION_MSS << 8 | TCP_OPTION_MSS_LENGTH)
#define SYN_OPTIONS_HEAD                                                                                   \
    bpf_htonl(TCP_OPTION_SACK_PERMITTED << 24 | TCP_OPTION_SACK_PERMITTED_LENGTH << 16 |                   \
              TCP_OPTION_TIMESTAMPS << 8 | TCP_OPTION_TIMESTAMPS_LENGTH)

static __always_inline enum parse_result parse_other_options(struct cursor *cursor, struct packet *packet)
{
    struct syn_options *syn = cursor->position;

    if (!take(cursor, packet->options_length))
        return PARSE_NOT_LINEAR;
    if (packet->options_length < sizeof(*syn) || (void *)(syn + 1) > cursor->data_end ||
        syn->mss_head != SYN_OPTIONS_MSS_HEAD || syn->head != SYN_OPTIONS_HEAD)
        return PARSE_TCP;
    packet->timestamps.tsval = bpf_ntohl(syn->tsval);
    packet->timestamps.tsecr = bpf_ntohl(syn->tsecr);
    packet->options_length = 0;
    return PARSE_TCP;
}

static __always_inline enum parse_result parse_tcp(struct cursor *cursor, enum direction direction,
                                                   struct packet *packet, __u32 segment_length)
{
    struct tcphdr *tcp = take(cursor, sizeof(*tcp));

    if (!tcp)
        return PARSE_NOT_LINEAR;
    __u32 header_length = tcp->doff * 4;
    if (unlikely(header_length < sizeof(*tcp) || header_length > segment_length || !tcp->source ||
                 !tcp->dest))
        return parse_drop(PODRTT_DROP_BAD_HEADER);

    packet->key.pod_port = direction == FROM_POD ? tcp->source : tcp->dest;
    packet->key.peer_port = direction == FROM_POD ? tcp->dest : tcp->source;
    packet->seq = bpf_ntohl(tcp->seq);
    packet->ack = bpf_ntohl(tcp->ack_seq);
    packet->flags = ((__u8 *)tcp)[TCP_FLAGS_OFFSET];
    packet->length = packet->partial ? 0 : segment_length - header_length;
    packet->options_offset = cursor->offset;
    packet->options_length = header_length - sizeof(*tcp);
    packet->timestamps = (struct timestamps){};
    if (unlikely(packet->options_length != sizeof(struct usual_options)))
        return parse_other_options(cursor, packet);

    struct usual_options *usual = take(cursor, sizeof(*usual));
    if (!usual)
        return PARSE_NOT_LINEAR;
    if (likely(usual->head == USUAL_OPTIONS_HEAD)) {
        packet->timestamps.tsval = bpf_ntohl(usual->tsval);
        packet->timestamps.tsecr = bpf_ntohl(usual->tsecr);
        packet->options_length = 0;
    }
    return PARSE_TCP;
}

/* Of ICMP and ICMPv6 alike, but for the type. */
struct echo_message {
    __u8 type;
    __u8 code;
    __be16 checksum;
    __be16 id;
    __be16 sequence;
};

static __always_inline enum parse_result parse_icmp(struct cursor *cursor, enum direction direction,
                                                    struct packet *packet, __u8 request, __u8 reply)
{
    struct echo_message *echo = take(cursor, sizeof(*echo));

    if (!echo)
        return PARSE_NOT_LINEAR;
    if (echo->type != request && echo->type != reply)
        return PARSE_OTHER;
    bool pod_asks = (echo->type == request) == (direction == FROM_POD);
    packet->key.pod_port = pod_asks ? echo->id : 0;
    packet->key.peer_port = pod_asks ? 0 : echo->id;
    packet->seq = bpf_ntohs(echo->sequence);
    packet->ack = packet->seq;
    packet->flags = echo->type == request ? ECHO_REQUEST : 0;
    packet->length = 0;
    packet->options_offset = 0;
    packet->options_length = 0;
    packet->timestamps = (struct timestamps){};
    return PARSE_ICMP;
}

static __always_inline enum parse_result parse_linear(struct __sk_buff *skb, enum direction direction,
                                                      struct packet *packet)
{
    struct cursor cursor = {
        .position = (void *)(long)skb->data,
        .data_end = (void *)(long)skb->data_end,
    };
    enum parse_result result = PARSE_OTHER;
    __u32 segment_length = 0;
    __be16 protocol = parse_ethernet(&cursor);

    packet->partial = false;
    if (!protocol)
        return PARSE_NOT_LINEAR;
    if (protocol == bpf_htons(ETH_P_IP))
        result = parse_ipv4(skb, &cursor, direction, packet, &segment_length);
    else if (protocol == bpf_htons(ETH_P_IPV6))
        result = parse_ipv6(skb, &cursor, direction, packet, &segment_length);
    if (unlikely(result == PARSE_ICMP))
        return protocol == bpf_htons(ETH_P_IP)
                   ? parse_icmp(&cursor, direction, packet, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY)
                   : parse_icmp(&cursor, direction, packet, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY);
    if (result != PARSE_TCP)
        return result;
    return parse_tcp(&cursor, direction, packet, segment_length);
}

/* What the verifier knows of these depends on the way that the parser took, and it would look
 * at all that follows once for each way. */
static __always_inline void merge_ways(struct packet *packet)
{
    packet->length = forget(packet->length, packet->seq);
    packet->options_offset = forget(packet->options_offset, packet->seq);
    packet->options_length = forget(packet->options_length, packet->seq);
    packet->timestamps.tsval = forget(packet->timestamps.tsval, packet->seq);
    packet->timestamps.tsecr = forget(packet->timestamps.tsecr, packet->seq);
}

/* Parses a packet: PARSE_TCP, PARSE_ICMP, or PARSE_OTHER if it must be left alone. */
static __always_inline enum parse_result parse_packet(struct __sk_buff *skb, enum direction direction,
                                                      struct packet *packet)
{
#pragma clang loop unroll(disable)
    for (int attempt = 0; attempt < 2; attempt++) {
        enum parse_result result = parse_linear(skb, direction, packet);
        if (likely(result != PARSE_NOT_LINEAR))
            return result;
        if (bpf_skb_pull_data(skb, skb->len < MAX_HEADERS_LENGTH ? skb->len : MAX_HEADERS_LENGTH))
            break;
    }
    return parse_drop(PODRTT_DROP_TRUNCATED);
}

/*
 * Walks the TCP options (RFC 9293, 3.1) to the timestamps, and returns TSval << 32 |
 * TSecr, or 0 if there are none. Not static, so that the verifier looks at the loop
 * once instead of on every way that leads here.
 */
__noinline __u64 search_timestamps(struct __sk_buff *skb, __u32 offset, __u32 length)
{
    __u8 option[2];
    __be32 timestamps[2];
    __u32 end = offset + length;

    for (int i = 0; i < TCP_MAX_OPTIONS_LENGTH; i++) {
        if (offset + TCP_OPTION_TIMESTAMPS_LENGTH > end)
            return 0;
        if (bpf_skb_load_bytes(skb, offset, option, sizeof(option)))
            return 0;
        if (option[0] == TCP_OPTION_END)
            return 0;
        if (option[0] == TCP_OPTION_NOP) {
            offset++;
            continue;
        }
        if (option[0] == TCP_OPTION_TIMESTAMPS) {
            if (option[1] != TCP_OPTION_TIMESTAMPS_LENGTH ||
                bpf_skb_load_bytes(skb, offset + 2, timestamps, sizeof(timestamps)))
                return 0;
            return (__u64)bpf_ntohl(timestamps[0]) << 32 | bpf_ntohl(timestamps[1]);
        }
        if (option[1] < 2)
            return 0;
        offset += option[1];
    }
    return 0;
}

/* A segment's timestamps, which are searched for once; false if it has none. */
static __always_inline bool read_timestamps(struct __sk_buff *skb, struct packet *packet,
                                            struct timestamps *timestamps)
{
    if (unlikely(packet->options_length >= TCP_OPTION_TIMESTAMPS_LENGTH)) {
        __u64 found = search_timestamps(skb, packet->options_offset, packet->options_length);
        packet->timestamps.tsval = found >> 32;
        packet->timestamps.tsecr = (__u32)found;
        packet->options_length = 0;
    }
    *timestamps = packet->timestamps;
    return timestamps->tsval || timestamps->tsecr;
}

#endif
