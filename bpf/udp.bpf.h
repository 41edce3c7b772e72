/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DNS messages in UDP (RFC 1035, 4.1 and 4.2.1). */
#ifndef PODRTT_UDP_BPF_H
#define PODRTT_UDP_BPF_H

#include <linux/udp.h>

#include "bpf/packet.bpf.h"

#define DNS_PORT 53
#define DNS_RESPONSE 0x8000 /* in the header's flags */
#define DNS_OPCODE 0x7800
#define DNS_RCODE 0x000f

struct dns_header {
    __be16 id;
    __be16 flags;
    __be16 questions;
    __be16 answers;
    __be16 authorities;
    __be16 additional;
};

/* Queries and their answers; other opcodes are left alone. In struct packet: `ack` is the message's ID,
 * `flags` its flags, `seq` the number of questions; they begin at `options_offset`, `length` bytes before
 * the message's end. */
static __always_inline enum parse_result parse_dns(struct cursor *cursor, enum direction direction,
                                                   struct packet *packet, __u32 datagram_length)
{
    struct udphdr *udp = take(cursor, sizeof(*udp));

    if (!udp)
        return PARSE_NOT_LINEAR;
    bool to_server = udp->dest == bpf_htons(DNS_PORT);
    bool from_server = udp->source == bpf_htons(DNS_PORT);
    if (!to_server && !from_server)
        return PARSE_OTHER;
    __u32 length = bpf_ntohs(udp->len);
    if (length < sizeof(*udp) + sizeof(struct dns_header) ||
        (packet->partial ? datagram_length < sizeof(*udp) + sizeof(struct dns_header)
                         : length > datagram_length))
        return parse_drop(PODRTT_DROP_DNS_TRUNCATED);
    __be16 source = udp->source;
    __be16 destination = udp->dest;
    struct dns_header *dns = take(cursor, sizeof(*dns));
    if (!dns)
        return PARSE_NOT_LINEAR;
    __u32 flags = bpf_ntohs(dns->flags);
    bool answers = flags & DNS_RESPONSE;
    if (flags & DNS_OPCODE || (answers ? !from_server : !to_server))
        return PARSE_OTHER;

    /* The ID in the place of the server's port: a query is a flow of its own. */
    bool pod_asks = (direction == FROM_POD) != answers;
    __be16 client_port = answers ? destination : source;
    packet->key.pod_port = pod_asks ? client_port : dns->id;
    packet->key.peer_port = pod_asks ? dns->id : client_port;
    packet->seq = bpf_ntohs(dns->questions);
    packet->ack = bpf_ntohs(dns->id);
    packet->flags = flags;
    packet->length = (packet->partial ? datagram_length : length) - sizeof(*udp) - sizeof(*dns);
    packet->options_offset = cursor->offset;
    packet->options_length = 0;
    packet->timestamps = (struct timestamps){};
    return PARSE_DNS;
}

#endif
