// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/backoff.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

TEST(Backoff, PausesAfterAFewTimesInAPeriod)
{
    const auto start = Backoff::Clock::now();
    Backoff backoff;
    for (unsigned i = 0; i < Backoff::few; i++)
        EXPECT_TRUE(backoff.allows(start + i * 1s));
    EXPECT_FALSE(backoff.allows(start + 30s));
    EXPECT_FALSE(backoff.allows(start + 30s + Backoff::pause - 1s));
    EXPECT_TRUE(backoff.allows(start + 30s + Backoff::pause));
}

TEST(Backoff, DoesNotPauseForWhatHappensNowAndThen)
{
    const auto start = Backoff::Clock::now();
    Backoff backoff;
    for (unsigned i = 0; i < 10 * Backoff::few; i++)
        EXPECT_TRUE(backoff.allows(start + i * 10s));
}

} // namespace
} // namespace podrtt
