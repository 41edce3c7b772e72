/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A flow's memory, cache line by cache line. Programs alone write it while a pod lives; the
 * daemon takes flows of pods that are gone out of the table.
 */
#ifndef PODRTT_FLOW_H
#define PODRTT_FLOW_H

#include <stddef.h>

#include "bpf/podrtt.h"

#define PODRTT_CACHE_LINE 64

/*
 * Time in probes and samples is CLOCK_MONOTONIC in units of 32 ns; it wraps after 137 s. An era is a
 * quarter of that, 34 s: what was armed three eras ago is older than any sample may be, and younger than
 * a wrap. Eras are counted in 8 bits, which wrap after 2.4 hours; in ICMP echo and DNS, in 32.
 */
#define PODRTT_TIME_SHIFT 5
#define PODRTT_TIME_UNIT_NS (1 << PODRTT_TIME_SHIFT)
#define PODRTT_ERA_SHIFT 35
#define PODRTT_STALE_ERAS 3

/* podrtt_side.flags: what its packets have noted of themselves. */
#define PODRTT_SLOT 0x0003        /* the slot armed last */
#define PODRTT_TIMESTAMPS 0x0004  /* … by a segment that carried timestamps */
#define PODRTT_FIN 0x0008         /* has sent one */
#define PODRTT_HOLE 0x0010        /* data passed unseen, or was overtaken: a later packet may bring it */
#define PODRTT_OPEN 0x0020        /* a write has ended since the side last acknowledged anything new */
#define PODRTT_CLIENT 0x0040      /* has begun the connection: what it sends are requests */
#define PODRTT_REQUEST 0x0080     /* its last data is a request; the slot armed last watches its end */
#define PODRTT_MULTIPLEXED 0x0100 /* sends more before it is answered */
#define PODRTT_ASKED 0x0200       /* has acknowledged the other's request, and not answered it yet */
/* Two bits a slot: enum podrtt_mark. */
#define PODRTT_MARK_SHIFT(slot) (10 + 2 * (slot))
#define PODRTT_MARK_MASK 3u

/* What has become of the data that a slot watches. */
enum podrtt_mark {
    PODRTT_MARK_NONE,
    PODRTT_MARK_BEHIND, /* earlier data was sent again: what acknowledges it may have waited for that */
    PODRTT_MARK_RESENT, /* it was itself sent again */
};

/* A floor window is 149 ticks of 2^26 ns: 10 s. */
#define PODRTT_FLOOR_TICK_SHIFT 26
#define PODRTT_FLOOR_WINDOW_TICKS 149

#define PODRTT_PROBES 3

/* podrtt_flow.armed may be so many jiffies behind, but not for bulk or with a sample interval: it lies in
 * the cache line that the packets of both ends read, so few of them should write it. */
#define PODRTT_ARMED_STEP 256

/*
 * One end of the connection, one cache line, which only this end's packets write, except for
 * the probes that the other's acknowledgements take.
 *
 * A probe is `end sequence number << 32 | time`, 0 when the slot is free. Packets
 * of this side arm it, packets of the other side take it, both with one atomic
 * compare-and-swap, so number and time are never torn apart and no lock is needed.
 */
struct podrtt_side {
    __u64 probe[PODRTT_PROBES];
    __u64 sent;                 /* as seen at the veth: packets << 40 | bytes of payload; both wrap */
    __u32 tsval[PODRTT_PROBES]; /* TSval (RFC 7323) of the segment that armed the slot; of a request that is
                                   acknowledged, and not answered yet, the time of its end */
    __u32 end;                  /* sequence number after the last byte seen */
    __u32 acked;                /* the last acknowledgement number sent; of DNS, a sum of the question */
    __u32 min_rtt;              /* of the leg, units of 32 ns; 0: no sample yet */
    __u16 run;                  /* bytes sent in one go: see PODRTT_BULK */
    __u16 sent_at;              /* when it last sent new data, jiffies; wraps after 65 s or more */
    __u16 flags;
    __u8 phase; /* enum podrtt_phase */
    __u8 era;   /* of the clock when a slot was armed last: see above */
};
PODRTT_ASSERT_SIZE(struct podrtt_side, PODRTT_CACHE_LINE);
#define PODRTT_PACKETS_SHIFT 40 /* of podrtt_side.sent: 1 TiB; a GSO packet is one */

/* What a side sends before the other end says something again, or has acknowledged all of it, is a request,
 * a response or a message; from so many bytes on it is bulk. */
#define PODRTT_BULK 0xffffu

enum podrtt_phase {
    PODRTT_UNSEEN, /* no data yet: `end` means nothing */
    /* Until a SYN-ACK comes: probe[0] was armed by the last SYN, probe[PODRTT_FIRST_SYN] by the first,
     * with the era in the place of the TSval. */
    PODRTT_CONNECTING,
    PODRTT_CONNECTING_AGAIN, /* the SYN has been sent again */
    PODRTT_WAITING,          /* met mid-stream: waiting until what was seen first is acknowledged */
    /* In all that follow, new data arms probes. */
    PODRTT_SYN_SENT,   /* probe[0] was armed by a SYN-ACK */
    PODRTT_SYN_RESENT, /* probe[0] was armed by a SYN or SYN-ACK that had been sent before */
    PODRTT_SYNCED,
};
#define PODRTT_FIRST_SYN 1

/* What stands before the sides is read with every packet, and seldom written. */
struct podrtt_flow {
    struct podrtt_flow_key key; /* see the states of a place, below */
    __u64 floor[PODRTT_LEGS];   /* smallest sample of the window << 32 | the window's first tick */
    __u8 peer;                  /* peer class */
    __u8 counted;               /* enum podrtt_counted, and more for each leg */
    __u8 quiet[PODRTT_LEGS];    /* 1: no acknowledgement of this side's data is waited for */
    /* When a side's data last armed a probe, jiffies, up to PODRTT_ARMED_STEP ago; wraps after 65 s or
     * more. */
    __u16 armed[PODRTT_LEGS];
    struct podrtt_side side[PODRTT_LEGS]; /* indexed by the leg that the side's data measures */
};
PODRTT_ASSERT_SIZE(struct podrtt_flow, 3 * PODRTT_CACHE_LINE);
PODRTT_ASSERT(offsetof(struct podrtt_flow, armed) + sizeof(__u16[PODRTT_LEGS]) == PODRTT_CACHE_LINE);
PODRTT_ASSERT(offsetof(struct podrtt_flow, side) == PODRTT_CACHE_LINE);

/*
 * The state of a place is the first word of its key: pod id, protocol and padding. A place that
 * is free, or that changes hands, names no pod. The word is swapped as a whole.
 */
#define PODRTT_FLOW_FREE 0u
#define PODRTT_FLOW_BUSY 0x00ff0000u /* no pod, and a protocol that does not exist */
PODRTT_ASSERT(offsetof(struct podrtt_flow_key, pod_port) == sizeof(__u32));

/* The table of flows is an array of sets; a flow is in one of the two sets that its key's
 * hash names. */
#define PODRTT_FLOW_WAYS 4

struct podrtt_flow_set {
    struct podrtt_flow way[PODRTT_FLOW_WAYS];
};
PODRTT_ASSERT_SIZE(struct podrtt_flow_set, PODRTT_FLOW_WAYS * sizeof(struct podrtt_flow));

/* What a flow counts as among its pod's connections, each once. */
enum podrtt_counted {
    PODRTT_COUNTED_MATCHED = 1,
    PODRTT_COUNTED_ONE_WAY = 2,
};

/* Above them, for each leg, where there is an interval, the chance of a write to be sampled, n of 2^-n;
 * else how many slots more than one were armed in a jiffy, while the other end said nothing. */
#define PODRTT_LEG_SHIFT(leg) (2 + 3 * (leg))
#define PODRTT_LEG_MAX 7

#endif
