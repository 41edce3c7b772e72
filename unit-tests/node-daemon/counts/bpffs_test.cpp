// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/bpffs.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

TEST(Bpffs, IsFoundOrRefusedByName)
{
    EXPECT_TRUE(is_on_bpffs("/sys/fs/bpf/not/there/yet"));
    EXPECT_FALSE(is_on_bpffs("/tmp/x"));
    EXPECT_EQ(ensure_bpffs("/sys/fs/bpf/x"), false);
    auto elsewhere = ensure_bpffs("/tmp/x");
    ASSERT_FALSE(elsewhere);
    EXPECT_NE(elsewhere.error().message().find("/tmp/x"), std::string::npos);
}

} // namespace
} // namespace podrtt
