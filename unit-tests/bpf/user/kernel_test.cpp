// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/kernel.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

TEST(Kernel, IsNewEnoughFrom515On)
{
    for (const char *release : {"5.15.0-1079-azure", "5.15", "6.1.0-18-amd64", "10.0.1"})
        EXPECT_TRUE(is_new_enough(release)) << release;
    for (const char *release : {"5.14.21-150500", "5.4.0", "4.19.0", "2.6.32"})
        EXPECT_FALSE(is_new_enough(release)) << release;
    EXPECT_TRUE(is_new_enough("unreadable"));
}

TEST(Kernel, SaysItsReleaseAndItsTick)
{
    EXPECT_FALSE(kernel_release().empty());
    EXPECT_GE(jiffy(), std::chrono::milliseconds(1));
    EXPECT_LE(jiffy(), std::chrono::milliseconds(10));
}

} // namespace
} // namespace podrtt
