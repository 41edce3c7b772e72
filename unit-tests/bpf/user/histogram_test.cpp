// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/histogram.h"

#include "bpf/flow.h"
#include "bpf/histogram_math.h"

#include <gtest/gtest.h>

#include <cmath>

namespace podrtt
{
namespace
{

constexpr long double units_per_second = 1e9L / PODRTT_TIME_UNIT_NS;

// A bucket's upper bound in units of 32 ns, by long double arithmetic instead of the
// data path's integers. Not rounded.
long double bound_units(std::uint32_t bucket)
{
    return std::exp2(PODRTT_MIN_EXPONENT + static_cast<long double>(bucket) / 8) * units_per_second;
}

TEST(Bucket, EveryUpperBoundBelongsToItsBucketAndTheNextUnitToTheNext)
{
    for (std::uint32_t bucket = 0; bucket < PODRTT_BUCKETS; bucket++) {
        const long double bound = bound_units(bucket);
        auto last = static_cast<std::uint32_t>(std::floor(bound));
        EXPECT_EQ(podrtt_bucket(last), bucket) << last;
        if (bucket + 1 < PODRTT_BUCKETS) {
            EXPECT_EQ(podrtt_bucket(last + 1), bucket + 1) << last + 1;
        }
    }
}

TEST(Bucket, NothingAtAllIsInTheFirst)
{
    EXPECT_EQ(podrtt_bucket(0), 0u);
}

TEST(Bucket, TheLargestSampleIsInTheLast)
{
    EXPECT_EQ(podrtt_bucket(PODRTT_MAX_SAMPLE), static_cast<std::uint32_t>(PODRTT_BUCKETS - 1));
    EXPECT_EQ(static_cast<long double>(PODRTT_MAX_SAMPLE), 64 * units_per_second);
}

TEST(Bucket, NeverDecreases)
{
    std::uint32_t previous = 0;
    for (std::uint64_t sample = 1; sample <= PODRTT_MAX_SAMPLE; sample += 1 + sample / 1000) {
        std::uint32_t bucket = podrtt_bucket(static_cast<std::uint32_t>(sample));
        ASSERT_GE(bucket, previous) << sample;
        ASSERT_LE(bucket, previous + 3) << sample; // the first buckets are narrower than a unit is long
        previous = bucket;
    }
}

TEST(BucketBound, IsAPowerOfTwoEveryEighthBucket)
{
    EXPECT_EQ(bucket_bound(0), std::exp2(-20));
    EXPECT_EQ(bucket_bound(160), 1.0);
    EXPECT_EQ(bucket_bound(PODRTT_BUCKETS - 1), 64.0);
    EXPECT_NEAR(bucket_bound(161), 1.0905077, 1e-7);
}

TEST(Quantile, WithoutSamplesIsNotANumber)
{
    EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
}

TEST(Quantile, LiesInTheBucketOfTheSampleOfThatRank)
{
    const Histogram histogram(0, {{100, 90}, {150, 9}, {200, 1}});
    auto bucket_of = [&](double q) {
        return static_cast<int>(
            std::ceil((std::log2(quantile(histogram, q)) - PODRTT_MIN_EXPONENT) * 8 - 1e-9));
    };
    EXPECT_EQ(bucket_of(0.0), 99); // the lower bound of bucket 100
    EXPECT_EQ(bucket_of(0.5), 100);
    EXPECT_EQ(bucket_of(0.9), 100);
    EXPECT_EQ(bucket_of(0.95), 150);
    EXPECT_EQ(bucket_of(0.995), 200);
    EXPECT_EQ(bucket_of(1.0), 200);
}

TEST(Quantile, OfTheFirstBucketIsBelowItsBound)
{
    const Histogram histogram(0, {{0, 1}});
    EXPECT_LE(quantile(histogram, 0.5), bucket_bound(0));
    EXPECT_GT(quantile(histogram, 0.5), 0);
}

TEST(Histogram, HasTheBucketsThatAreFilled)
{
    podrtt_histogram counts = {.sum = 7, .bucket = {1, 0, 3}};
    counts.bucket[PODRTT_BUCKETS - 1] = 5;
    const Histogram histogram(counts);
    EXPECT_EQ(histogram.sum(), 7u);
    EXPECT_EQ(histogram.buckets(),
              (std::vector<Histogram::Bucket>{{0, 1}, {2, 3}, {PODRTT_BUCKETS - 1, 5}}));
    EXPECT_EQ(histogram.count(), 9u);
    EXPECT_EQ(histogram.count(1, 3), 3u);
    EXPECT_EQ(histogram.count(3, PODRTT_BUCKETS - 1), 0u);
}

TEST(Histogram, IsASumOfTwo)
{
    Histogram histogram(10, {{0, 1}, {5, 2}});
    histogram.add({5, {{3, 7}, {5, 3}, {9, 4}}});
    EXPECT_EQ(histogram.sum(), 15u);
    EXPECT_EQ(histogram.buckets(), (std::vector<Histogram::Bucket>{{0, 1}, {3, 7}, {5, 5}, {9, 4}}));
    histogram.add(Histogram());
    EXPECT_EQ(histogram.count(), 17u);
}

TEST(Histogram, AddAddsBucketsAndSum)
{
    podrtt_histogram a = {.sum = 10, .bucket = {1, 2}};
    const podrtt_histogram b = {.sum = 5, .bucket = {0, 3, 4}};
    add(a, b);
    EXPECT_EQ(a.sum, 15u);
    EXPECT_EQ(a.bucket[0], 1u);
    EXPECT_EQ(a.bucket[1], 5u);
    EXPECT_EQ(a.bucket[2], 4u);
    EXPECT_EQ(sample_count(a), 10u);
}

} // namespace
} // namespace podrtt
