/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a packet's bytes to struct packet. */
#ifndef PODRTT_PARSE_BPF_H
#define PODRTT_PARSE_BPF_H

#include "bpf/icmp.bpf.h"
#include "bpf/ip.bpf.h"
#include "bpf/tcp.bpf.h"
#include "bpf/udp.bpf.h"

#define MAX_HEADERS_LENGTH 256 /* bytes made linear when the headers are not */

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
    if (unlikely(result == PARSE_ECHO))
        return protocol == bpf_htons(ETH_P_IP)
                   ? parse_echo(&cursor, direction, packet, ICMP_ECHO_REQUEST, ICMP_ECHO_REPLY)
                   : parse_echo(&cursor, direction, packet, ICMPV6_ECHO_REQUEST, ICMPV6_ECHO_REPLY);
    if (unlikely(result == PARSE_DNS))
        return parse_dns(&cursor, direction, packet, segment_length);
    if (result != PARSE_TCP)
        return result;
    return parse_tcp(&cursor, direction, packet, segment_length);
}

/* What the verifier knows of these depends on the path that the parser took, and it would look
 * at all that follows once for each path. */
static __always_inline void hide_path_from_verifier(struct packet *packet)
{
    packet->length = hide_from_verifier(packet->length, packet->seq);
    packet->options_offset = hide_from_verifier(packet->options_offset, packet->seq);
    packet->options_length = hide_from_verifier(packet->options_length, packet->seq);
    packet->timestamps.tsval = hide_from_verifier(packet->timestamps.tsval, packet->seq);
    packet->timestamps.tsecr = hide_from_verifier(packet->timestamps.tsecr, packet->seq);
}

/* Parses a packet: PARSE_TCP, PARSE_ECHO, PARSE_DNS, or PARSE_OTHER if it must be left alone. */
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

#endif
