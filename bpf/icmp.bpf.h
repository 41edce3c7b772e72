/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP and ICMPv6 echo messages. */
#ifndef PODRTT_ICMP_BPF_H
#define PODRTT_ICMP_BPF_H

#include <linux/in.h>

#include "bpf/packet.bpf.h"

#define ICMP_ECHO_REQUEST 8 /* RFC 792 */
#define ICMP_ECHO_REPLY 0
#define ICMPV6_ECHO_REQUEST 128 /* RFC 4443, 4.1 */
#define ICMPV6_ECHO_REPLY 129
#define ECHO_REQUEST 1

/* Of ICMP and ICMPv6 alike, but for the type. */
struct echo_message {
    __u8 type;
    __u8 code;
    __be16 checksum;
    __be16 id;
    __be16 sequence;
};

static __always_inline enum parse_result parse_echo(struct cursor *cursor, enum direction direction,
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
    return PARSE_ECHO;
}

#endif
