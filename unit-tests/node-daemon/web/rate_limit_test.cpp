// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/rate_limit.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

TEST(RateLimit, IsABucketThatFills)
{
    RateLimit limit;
    const auto start = RateLimit::Clock::now();
    const RateLimitConfig config = {.interval = 1s, .burst = 2};
    EXPECT_TRUE(limit.admits(config, start));
    EXPECT_TRUE(limit.admits(config, start));
    EXPECT_FALSE(limit.admits(config, start + 999ms));
    EXPECT_TRUE(limit.admits(config, start + 1s));
    EXPECT_FALSE(limit.admits(config, start + 1s));
    EXPECT_TRUE(limit.admits(config, start + 100s)); // full, and no fuller
    EXPECT_TRUE(limit.admits(config, start + 100s));
    EXPECT_FALSE(limit.admits(config, start + 100s));
}

TEST(RateLimit, WithoutAnIntervalIsNone)
{
    RateLimit limit;
    for (int i = 0; i < 1000; i++)
        EXPECT_TRUE(limit.admits({}, {}));
}

} // namespace
} // namespace podrtt
