// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/histogram.h"

#include <algorithm>
#include <cmath>
#include <functional>
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

Histogram::Histogram(const podrtt_histogram &counts) : sum_(counts.sum)
{
    buckets_.reserve(static_cast<std::size_t>(std::ranges::count_if(counts.bucket, std::identity())));
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++)
        if (counts.bucket[i])
            buckets_.push_back({i, counts.bucket[i]});
}

void Histogram::add(const Histogram &other)
{
    std::vector<Bucket> both;
    both.reserve(buckets_.size() + other.buckets_.size());
    std::ranges::merge(buckets_, other.buckets_, std::back_inserter(both), {}, &Bucket::number,
                       &Bucket::number);
    buckets_.clear();
    for (const Bucket &bucket : both)
        if (!buckets_.empty() && buckets_.back().number == bucket.number)
            buckets_.back().count += bucket.count;
        else
            buckets_.push_back(bucket);
    sum_ += other.sum_;
}

std::uint64_t Histogram::count(std::uint32_t first, std::uint32_t end) const
{
    std::uint64_t count = 0;
    for (const Bucket &bucket : buckets_)
        if (bucket.number >= first && bucket.number < end)
            count += bucket.count;
    return count;
}

double quantile(const Histogram &histogram, double q)
{
    double below = 0, found = std::numeric_limits<double>::quiet_NaN();
    const double rank = q * static_cast<double>(histogram.count());
    for (const auto &[number, count] : histogram.buckets()) {
        const double share = (rank - below) / static_cast<double>(count);
        found = std::exp2(PODRTT_MIN_EXPONENT +
                          (static_cast<double>(number) - 1 + share) / (1 << PODRTT_SCHEMA));
        below += static_cast<double>(count);
        if (below >= rank)
            break;
    }
    return found;
}

} // namespace podrtt
