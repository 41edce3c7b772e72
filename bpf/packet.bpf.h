/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What parsing makes of a packet, and the cursor that it moves along the bytes. */
#ifndef PODRTT_PACKET_BPF_H
#define PODRTT_PACKET_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "bpf/compiler.bpf.h"
#include "bpf/drop.bpf.h"

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

/* A TCP segment, an ICMP echo message or a DNS message; numbers in host byte order. */
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
    PARSE_ECHO,       /* an ICMP echo message */
    PARSE_DNS,        /* a DNS query or answer in UDP */
    PARSE_OTHER,      /* nothing that is measured, or not all of it */
    PARSE_NOT_LINEAR, /* the headers reach beyond the linear part */
};

static __always_inline enum parse_result parse_drop(enum podrtt_drop reason)
{
    count_drop(reason);
    return PARSE_OTHER;
}

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

#endif
