// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/health.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

TEST(Health, IsNotReadyBeforeTheFirstPass)
{
    Health health;
    EXPECT_FALSE(health.ready());
    EXPECT_FALSE(health.alive(Health::Clock::now()));
}

TEST(Health, EndsWhenThePassesDo)
{
    const auto start = Health::Clock::now();
    Health health;
    health.beat(start);
    EXPECT_TRUE(health.alive(start + 9s));
    EXPECT_FALSE(health.alive(start + 11s));
    EXPECT_TRUE(health.ready());
    health.beat(start + 12s);
    EXPECT_TRUE(health.alive(start + 13s));
}

} // namespace
} // namespace podrtt
