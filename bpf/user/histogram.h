// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "bpf/podrtt.h"

namespace podrtt
{

// Upper bound of a bucket, included, in seconds: 2^(-20 + bucket/8).
double bucket_bound(std::uint32_t bucket);

std::uint64_t sample_count(const podrtt_histogram &histogram);

void add(podrtt_histogram &to, const podrtt_histogram &from);

// What a podrtt_histogram holds, without the buckets that are empty, as most are: a tenth of the memory.
class Histogram
{
public:
    struct Bucket {
        std::uint32_t number;
        std::uint64_t count;

        bool operator==(const Bucket &) const = default;
    };

    Histogram() = default;
    explicit Histogram(const podrtt_histogram &counts);

    // `buckets` are those that are filled, ascending; `sum` is in nanoseconds.
    Histogram(std::uint64_t sum, std::vector<Bucket> buckets) : sum_(sum), buckets_(std::move(buckets)) {}

    void add(const Histogram &other);

    std::uint64_t sum() const { return sum_; } // nanoseconds
    const std::vector<Bucket> &buckets() const { return buckets_; }

    // Of all buckets, and of some, the last not included.
    std::uint64_t count() const { return count(0, PODRTT_BUCKETS); }
    std::uint64_t count(std::uint32_t first, std::uint32_t end) const;

private:
    std::uint64_t sum_ = 0;
    std::vector<Bucket> buckets_;
};

// An estimate in seconds of the quantile `q` (0 to 1), within the bucket that holds it:
// samples are taken to be spread evenly on the bucket's logarithmic scale, as Prometheus
// does for native histograms. NaN without samples.
double quantile(const Histogram &histogram, double q);

} // namespace podrtt
