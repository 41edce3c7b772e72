/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The TCP header (RFC 9293, 3.1) and its timestamps (RFC 7323). */
#ifndef PODRTT_TCP_BPF_H
#define PODRTT_TCP_BPF_H

#include <linux/tcp.h>

#include "bpf/packet.bpf.h"

#define TCP_FLAGS_OFFSET 13
#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10

#define TCP_OPTION_END 0
#define TCP_OPTION_NOP 1
#define TCP_OPTION_MSS 2
#define TCP_OPTION_MSS_LENGTH 4
#define TCP_OPTION_SACK_PERMITTED 4
#define TCP_OPTION_SACK_PERMITTED_LENGTH 2
#define TCP_OPTION_TIMESTAMPS 8
#define TCP_OPTION_TIMESTAMPS_LENGTH 10
#define TCP_MAX_OPTIONS_LENGTH 40

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
