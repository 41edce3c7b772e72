// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/histogram.h"

#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

namespace podrtt
{

double bucket_bound(std::uint32_t bucket)
{
    return std::exp2(PODRTT_MIN_EXPONENT + static_cast<double>(bucket) / (1 << PODRTT_SCHEMA));
}

std::uint64_t sample_count(const podrtt_histogram &histogram)
{
    return std::accumulate(std::begin(histogram.bucket), std::end(histogram.bucket), std::uint64_t{0});
}

void add(podrtt_histogram &to, const podrtt_histogram &from)
{
    to.sum += from.sum;
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++)
        to.bucket[i] += from.bucket[i];
}

double quantile(const podrtt_histogram &histogram, double q)
{
    std::uint64_t count = sample_count(histogram);
    if (count == 0)
        return std::numeric_limits<double>::quiet_NaN();

    double rank = q * static_cast<double>(count);
    std::uint32_t bucket = 0;
    double below = 0;
    while (below + static_cast<double>(histogram.bucket[bucket]) < rank || histogram.bucket[bucket] == 0)
        below += static_cast<double>(histogram.bucket[bucket++]);
    double share = (rank - below) / static_cast<double>(histogram.bucket[bucket]);
    return std::exp2(PODRTT_MIN_EXPONENT +
                     (static_cast<double>(bucket) - 1 + share) / (1 << PODRTT_SCHEMA));
}

} // namespace podrtt
