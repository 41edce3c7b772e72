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

/* Records a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE. Not static, so that the verifier looks at
 * it once. Returns 0: such a function must return a number. */
__noinline int record_sample(__u32 pod, __u8 leg, __u8 kind, __u8 peer, __u32 sample)
{
    struct podrtt_histogram_key key = {.pod = pod, .leg = leg, .kind = kind, .peer = peer};

    struct podrtt_histogram *histogram = find_histogram(&key);
    if (!histogram) {
        count_drop(PODRTT_DROP_HISTOGRAMS_FULL);
        return 0;
    }

    __u32 bucket = podrtt_bucket(sample);
    if (bucket >= PODRTT_BUCKETS) /* never; the verifier cannot know */
        return 0;
    __sync_fetch_and_add(&histogram->bucket[bucket], 1);
    __sync_fetch_and_add(&histogram->sum, (__u64)sample * PODRTT_TIME_UNIT_NS);
    return 0;
}

#endif
