/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms of round-trip times, filled in the kernel. */
#ifndef PODRTT_HISTOGRAM_BPF_H
#define PODRTT_HISTOGRAM_BPF_H

#include "compiler.bpf.h"
#include "drop.bpf.h"

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

/* The entries of `histograms`; set before loading. */
const volatile __u32 histogram_places = PODRTT_DEFAULT_HISTOGRAMS;

#define NO_HISTOGRAM (~0u)

static __always_inline struct podrtt_histogram_place *histogram_at(__u32 number)
{
    return bpf_map_lookup_elem(&histograms, &number);
}

/* The number of the key's place, which it takes if it has none yet; NO_HISTOGRAM if there is no
 * room. Not static, so that the verifier looks at what follows once, and not for each place. */
__noinline __u32 claim_histogram(__u64 key)
{
    /* First of all places, for one that is passed by may have become free since the key took another. */
    for (__u32 attempt = 0; attempt < PODRTT_HISTOGRAM_TRIES; attempt++) {
        __u32 number = podrtt_histogram_index(key, attempt, histogram_places);
        struct podrtt_histogram_place *place = histogram_at(number);
        if (place && READ_ONCE(place->key) == key)
            return number;
    }
    for (__u32 attempt = 0; attempt < PODRTT_HISTOGRAM_TRIES; attempt++) {
        __u32 number = podrtt_histogram_index(key, attempt, histogram_places);
        struct podrtt_histogram_place *place = histogram_at(number);
        if (!place || READ_ONCE(place->key))
            continue;
        /* Another CPU may be first, with another key or with this one. */
        __u64 taken_by = __sync_val_compare_and_swap(&place->key, 0, key);
        if (!taken_by || taken_by == key)
            return number;
    }
    return NO_HISTOGRAM;
}

/* NULL, which is counted, if there is no room for a new one. */
static __always_inline struct podrtt_histogram *find_histogram(const struct podrtt_histogram_key *key)
{
    __u64 bytes;

    __builtin_memcpy(&bytes, key, sizeof(bytes));
    struct podrtt_histogram_place *place = histogram_at(podrtt_histogram_index(bytes, 0, histogram_places));
    if (likely(place && READ_ONCE(place->key) == bytes))
        return &place->histogram;
    place = histogram_at(claim_histogram(bytes));
    if (place)
        return &place->histogram;
    count_drop(PODRTT_DROP_HISTOGRAMS_FULL);
    return NULL;
}

/* Records a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE. */
static __always_inline void record_sample(__u32 pod, enum podrtt_leg leg, enum podrtt_kind kind, __u8 peer,
                                          __u32 sample)
{
    struct podrtt_histogram_key key = {.pod = pod, .leg = leg, .kind = kind, .peer = peer};
    struct podrtt_histogram *histogram = find_histogram(&key);
    __u32 bucket = podrtt_bucket(sample);

    if (!histogram || bucket >= PODRTT_BUCKETS) /* the latter never; the verifier cannot know */
        return;
    __sync_fetch_and_add(&histogram->bucket[bucket], 1);
    __sync_fetch_and_add(&histogram->sum, (__u64)sample * PODRTT_TIME_UNIT_NS);
}

/* Counts a connection of a pod. */
static __noinline void count_connection(__u32 pod, enum podrtt_matching matching)
{
    struct podrtt_histogram_key key = {.pod = pod, .kind = PODRTT_KIND_CONNECTIONS};
    struct podrtt_histogram *counts = find_histogram(&key);

    if (counts)
        __sync_fetch_and_add(&counts->bucket[matching], 1);
}

#endif
