/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The time of a packet, read at most once, and only when a probe is armed or taken. */
#ifndef PODRTT_CLOCK_BPF_H
#define PODRTT_CLOCK_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "bpf/flow.h"

/* Values of a probe's time that are not times. */
#define TIME_NONE 0    /* with end sequence number 0: the slot is free */
#define TIME_UNKNOWN 1 /* the probe yields no sample */
#define TIME_FIRST 2

struct clock {
    __u64 ns; /* 0: not read yet */
};

#ifdef PODRTT_TEST
__u64 fake_clock_ns; /* set by unit tests */
#define CLOCK_NS() fake_clock_ns
#define CLOCK_JIFFIES() (fake_clock_ns / PODRTT_FAKE_JIFFY_NS)
#else
#define CLOCK_NS() bpf_ktime_get_ns()
#define CLOCK_JIFFIES() bpf_jiffies64()
#endif

static __always_inline __u64 clock_ns(struct clock *clock)
{
    if (!clock->ns)
        clock->ns = CLOCK_NS();
    return clock->ns;
}

/* Units of 32 ns; one unit early or late at the wrap, to keep clear of the values above. */
static __always_inline __u32 clock_time(struct clock *clock)
{
    __u32 time = (__u32)(clock_ns(clock) >> PODRTT_TIME_SHIFT);

    return time < TIME_FIRST ? TIME_FIRST : time;
}

static __always_inline __u32 clock_era(struct clock *clock)
{
    return (__u32)(clock_ns(clock) >> PODRTT_ERA_SHIFT);
}

/* The kernel's count of its timer's ticks, one in 1 to 10 ms; a read from memory, no call. */
static __always_inline __u16 clock_jiffies(void)
{
    return (__u16)CLOCK_JIFFIES();
}

#endif
