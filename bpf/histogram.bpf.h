/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms of round-trip times, filled in the kernel. */
#ifndef PODRTT_HISTOGRAM_BPF_H
#define PODRTT_HISTOGRAM_BPF_H

#include <stdbool.h>

#include "bpf/compiler.bpf.h"
#include "bpf/config.bpf.h"
#include "bpf/drop.bpf.h"
#include "bpf/histogram_math.h"

/* One histogram for each pod, leg, kind and peer class that has had a sample. Samples
 * are a few per round trip, so CPUs share it and add atomically. User space maps it into
 * its memory. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, PODRTT_DEFAULT_HISTOGRAMS);
    __type(key, __u32);
    __type(value, struct podrtt_histogram_place);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} histograms SEC(".maps");

static __always_inline struct podrtt_histogram_place *histogram_at(__u32 number)
{
    return bpf_map_lookup_elem(&histograms, &number);
}

static __always_inline void add_at(struct podrtt_histogram_place *place, __u32 bucket, __u64 ns)
{
    if (bucket >= PODRTT_BUCKETS) /* never; the verifier cannot know */
        return;
    __sync_fetch_and_add(&place->histogram.bucket[bucket], 1);
    __sync_fetch_and_add(&place->histogram.sum, ns);
}

#define NO_HISTOGRAM (~0u)

/* The number of the key's place; or, if it may claim one, of the first that is free. */
static __always_inline __u32 search_histogram(__u64 key, bool claim)
{
    for (__u32 attempt = 0; attempt < PODRTT_HISTOGRAM_TRIES; attempt++) {
        __u32 number = podrtt_histogram_index(key, attempt, histogram_places);
        struct podrtt_histogram_place *place = histogram_at(number);
        if (!place)
            break;
        __u64 taken_by = READ_ONCE(place->key);
        /* Another CPU may be first, for another key or for this one. */
        if (claim && !taken_by)
            taken_by = __sync_val_compare_and_swap(&place->key, 0, key) ?: key;
        if (taken_by == key)
            return number;
    }
    return NO_HISTOGRAM;
}

/* Adds to a histogram that is not at its home, or new. Not static, so that the verifier looks
 * at it once. */
__noinline int add_elsewhere(__u64 key, __u32 bucket, __u64 ns)
{
    /* First of all places, for one that is passed by may have become free since the key took another. */
    __u32 number = search_histogram(key, false);
    struct podrtt_histogram_place *place =
        histogram_at(number != NO_HISTOGRAM ? number : search_histogram(key, true));

    if (place)
        add_at(place, bucket, ns);
    else
        count_drop(PODRTT_DROP_HISTOGRAMS_FULL);
    return 0;
}

/* The place where a key is looked for first, if it is there; else NULL. */
static __always_inline struct podrtt_histogram_place *home_of(__u64 key)
{
    struct podrtt_histogram_place *place = histogram_at(podrtt_histogram_index(key, 0, histogram_places));

    return likely(place && READ_ONCE(place->key) == key) ? place : NULL;
}

static __always_inline __u64 bytes_of(const struct podrtt_histogram_key *key)
{
    __u64 bytes;

    __builtin_memcpy(&bytes, key, sizeof(bytes));
    return bytes;
}

/* Counts what is no time: enum podrtt_count, and what stands beside it there. */
static __noinline void add_count(__u32 pod, enum podrtt_leg leg, __u32 what)
{
    struct podrtt_histogram_key key = {.pod = pod, .leg = leg, .kind = PODRTT_KIND_COUNTS};
    struct podrtt_histogram_place *place = home_of(bytes_of(&key));

    if (!place)
        add_elsewhere(bytes_of(&key), what, 0);
    else if (what < PODRTT_BUCKETS) /* always; the verifier cannot know */
        __sync_fetch_and_add(&place->histogram.bucket[what], 1);
}

/* Records a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE. */
static __always_inline void record_sample(__u32 pod, enum podrtt_leg leg, enum podrtt_kind kind, __u8 peer,
                                          __u32 sample)
{
    struct podrtt_histogram_key key = {.pod = pod, .leg = leg, .kind = kind, .peer = peer};
    struct podrtt_histogram_place *place = home_of(bytes_of(&key));
    __u32 bucket = podrtt_bucket(sample);
    __u64 ns = (__u64)sample * PODRTT_TIME_UNIT_NS;

    if (place)
        add_at(place, bucket, ns);
    else
        add_elsewhere(bytes_of(&key), bucket, ns);
}

#endif
