/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slots of a side: armed by its own packets, taken by the other side's (flow.h). */
#ifndef PODRTT_PROBE_BPF_H
#define PODRTT_PROBE_BPF_H

#include <stdbool.h>

#include "bpf/compiler.bpf.h"
#include "bpf/flow.h"

/* Sequence numbers and TSvals wrap (RFC 9293, 3.4; RFC 7323, 5.2). */
static __always_inline bool is_after(__u32 a, __u32 b)
{
    return (__s32)(a - b) > 0;
}

static __always_inline enum podrtt_leg other_leg(enum podrtt_leg leg)
{
    return leg == PODRTT_LEG_NETWORK ? PODRTT_LEG_POD : PODRTT_LEG_NETWORK;
}

static __always_inline __u32 probe_end(__u64 probe)
{
    return probe >> 32;
}

static __always_inline __u32 probe_time(__u64 probe)
{
    return (__u32)probe;
}

static __always_inline bool swap_probe(struct podrtt_side *side, int slot, __u64 from, __u64 to)
{
    return __sync_val_compare_and_swap(&side->probe[slot], from, to) == from;
}

static __always_inline enum podrtt_mark probe_mark(const struct podrtt_side *side, __u32 slot)
{
    return (enum podrtt_mark)(side->flags >> PODRTT_MARK_SHIFT(slot) & PODRTT_MARK_MASK);
}

static __always_inline void set_mark(struct podrtt_side *side, __u32 slot, enum podrtt_mark mark)
{
    side->flags =
        (side->flags & ~(PODRTT_MARK_MASK << PODRTT_MARK_SHIFT(slot))) | mark << PODRTT_MARK_SHIFT(slot);
}

/* The slot armed last; PODRTT_PROBES or more never, which the verifier cannot know. */
static __always_inline __u32 last_slot(const struct podrtt_side *side)
{
    __u32 last = side->flags & PODRTT_SLOT;

    barrier_var(last); /* so that what is compared is what is used */
    return last;
}

/* The first; PODRTT_PROBES if none is. */
static __always_inline __u32 free_slot(const struct podrtt_side *side)
{
    __u32 slot = 0;

    while (slot < PODRTT_PROBES && READ_ONCE(side->probe[slot]))
        slot++;
    return slot;
}

/* Of slots that are free again. */
static __noinline void forget_marks(struct podrtt_side *side)
{
    for (__u32 i = 0; i < PODRTT_PROBES; i++)
        if (!READ_ONCE(side->probe[i]))
            set_mark(side, i, PODRTT_MARK_NONE);
}

/* Two CPUs that arm one slot at the same time lose one of the two probes, no more. */
static __always_inline void arm_marked_slot(struct podrtt_side *side, __u32 slot, __u32 end, __u32 time,
                                            __u32 tsval, enum podrtt_mark mark)
{
    /* Before the probe itself, because a CPU that takes the probe reads these. */
    const __u32 of_the_slot =
        PODRTT_SLOT | PODRTT_TIMESTAMPS | PODRTT_REQUEST | PODRTT_MARK_MASK << PODRTT_MARK_SHIFT(slot);

    WRITE_ONCE(side->tsval[slot], tsval);
    WRITE_ONCE(side->flags, (side->flags & ~of_the_slot) | slot | mark << PODRTT_MARK_SHIFT(slot));
    WRITE_ONCE(side->probe[slot], (__u64)end << 32 | time);
}

static __always_inline void arm_slot(struct podrtt_side *side, __u32 slot, __u32 end, __u32 time,
                                     __u32 tsval)
{
    arm_marked_slot(side, slot, end, time, tsval, PODRTT_MARK_NONE);
}

static __noinline void discard_probes(struct podrtt_side *side)
{
    for (int i = 0; i < PODRTT_PROBES; i++) {
        __u64 probe = READ_ONCE(side->probe[i]);
        if (probe)
            swap_probe(side, i, probe, 0);
    }
}

#endif
