/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Histograms of round-trip times, filled in the kernel. */
#ifndef PODRTT_HISTOGRAM_BPF_H
#define PODRTT_HISTOGRAM_BPF_H

#include "drop.bpf.h"

/* One histogram for each pod, leg, kind and peer class that has had a sample. Samples
 * are a few per round trip, so CPUs share it and add atomically. */
struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(max_entries, PODRTT_DEFAULT_HISTOGRAMS);
    __type(key, struct podrtt_histogram_key);
    __type(value, struct podrtt_histogram);
    __uint(pinning, LIBBPF_PIN_BY_NAME);
} histograms SEC(".maps");

/* What a new histogram starts as; too large for the stack. */
static const struct podrtt_histogram empty_histogram;

static __always_inline struct podrtt_histogram *find_histogram(const struct podrtt_histogram_key *key)
{
    struct podrtt_histogram *histogram = bpf_map_lookup_elem(&histograms, key);

    if (histogram)
        return histogram;
    /* Another CPU may be first; then its entry is the one to use. */
    bpf_map_update_elem(&histograms, key, &empty_histogram, BPF_NOEXIST);
    return bpf_map_lookup_elem(&histograms, key);
}

/* Records a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE. */
static __always_inline void record_sample(__u32 pod, enum podrtt_leg leg, enum podrtt_kind kind, __u8 peer,
                                          __u32 sample)
{
    struct podrtt_histogram_key key = {.pod = pod, .leg = leg, .kind = kind, .peer = peer};

    struct podrtt_histogram *histogram = find_histogram(&key);
    if (!histogram) {
        count_drop(PODRTT_DROP_HISTOGRAMS_FULL);
        return;
    }

    __u32 bucket = podrtt_bucket(sample);
    if (bucket >= PODRTT_BUCKETS) /* never; the verifier cannot know */
        return;
    __sync_fetch_and_add(&histogram->bucket[bucket], 1);
    __sync_fetch_and_add(&histogram->sum, (__u64)sample * PODRTT_TIME_UNIT_NS);
    return;
}

/* Counts a connection of a pod. */
static __noinline void count_connection(__u32 pod, enum podrtt_matching matching)
{
    struct podrtt_histogram_key key = {.pod = pod, .kind = PODRTT_KIND_CONNECTIONS};

    struct podrtt_histogram *counts = find_histogram(&key);
    if (counts)
        __sync_fetch_and_add(&counts->bucket[matching], 1);
    else
        count_drop(PODRTT_DROP_HISTOGRAMS_FULL);
}

#endif
