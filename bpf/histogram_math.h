/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Arithmetic that programs and user space do alike: from a sample to its bucket, and from a key
 * to its places. */
#ifndef PODRTT_HISTOGRAM_MATH_H
#define PODRTT_HISTOGRAM_MATH_H

#include "bpf/podrtt.h"

#define PODRTT_MAX_SAMPLE (2000000000u) /* 2^6 s in units of 32 ns */

#define PODRTT_INLINE static inline __attribute__((always_inline))

/* Where a key is looked for at a try, 0 to PODRTT_HISTOGRAM_TRIES - 1, in an array of `places`, a
 * power of two and no less than tries: each time at another place (triangular probing). */
PODRTT_INLINE __u32 podrtt_histogram_index(__u64 key, __u32 attempt, __u32 places)
{
    const __u64 golden_ratio = 0x9e3779b97f4a7c15;

    return ((__u32)(key * golden_ratio >> 32) + attempt * (attempt + 1) / 2) & (places - 1);
}

/* 1 if value > limit, else 0; both below 2^63. Without a branch, and the compiler may not
 * make one of it. */
PODRTT_INLINE __u32 podrtt_is_above(__u64 value, __u64 limit)
{
    __u64 difference = limit - value;

    __asm__("" : "+r"(difference));
    return (__u32)(difference >> 63);
}

/*
 * Bucket of a sample in units of 32 ns, at most PODRTT_MAX_SAMPLE.
 *
 * A unit is 2^-4 / 5^9 s, so sample * floor(2^53 / 5^9) is the sample in seconds
 * with 57 fractional bits. The factor is rounded down: a sample of exactly a power
 * of two comes out just below it, in the bucket that ends there, as it must.
 *
 * Which way a sample falls cannot be predicted, and a wrong guess costs as much as all of
 * this: so there are no branches but for what is below the first bucket's bound.
 */
PODRTT_INLINE __u32 podrtt_bucket(__u32 sample)
{
    const __u32 fraction_bits = 57;
    const __u32 first_bit = fraction_bits + PODRTT_MIN_EXPONENT;
    __u64 seconds = (__u64)sample * 4611686018ull;

    if (seconds >> first_bit == 0)
        return 0;

    /* The BPF machine counts no leading zeros: the octave's bits, from the highest on. */
    __u64 rest = seconds >> first_bit;
    __u32 octave = 0;
    for (__u32 step = 16; step; step /= 2) {
        __u32 shift = podrtt_is_above(rest, (1ull << step) - 1) * step;
        rest >>= shift;
        octave += shift;
    }
    __u64 mantissa = seconds >> (octave + first_bit - 31); /* 2^31 and up */

    /* 2^31 * 2^(n/8) for n = 1 … 7, less one */
    __u32 eighths = podrtt_is_above(mantissa, 2341847523u) + podrtt_is_above(mantissa, 2553802833u) +
                    podrtt_is_above(mantissa, 2784941737u) + podrtt_is_above(mantissa, 3037000499u) +
                    podrtt_is_above(mantissa, 3311872528u) + podrtt_is_above(mantissa, 3611622602u) +
                    podrtt_is_above(mantissa, 3938502375u);

    return 1 + octave * (1 << PODRTT_SCHEMA) + eighths;
}

#endif
