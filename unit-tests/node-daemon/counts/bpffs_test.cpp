// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/bpffs.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <thread>

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

// A container with /sys/fs/bpf of a node that has no bpffs there.
TEST(Bpffs, IsNotMountedWhereTheNodeDoesNotSeeIt)
{
    std::thread([] {
        ASSERT_EQ(unshare(CLONE_NEWNS), 0);
        ASSERT_EQ(umount2("/sys/fs/bpf", MNT_DETACH), 0);
        ASSERT_EQ(mount("/sys/fs/bpf", "/sys/fs/bpf", nullptr, MS_BIND, nullptr), 0);
        const auto refused = ensure_bpffs("/sys/fs/bpf/podrtt");
        ASSERT_FALSE(refused);
        EXPECT_NE(refused.error().message().find("on the node"), std::string::npos);
        ASSERT_EQ(mount(nullptr, "/sys/fs/bpf", nullptr, MS_SHARED, nullptr), 0);
        EXPECT_EQ(ensure_bpffs("/sys/fs/bpf/podrtt"), true); // as with mountPropagation: Bidirectional
        EXPECT_TRUE(is_on_bpffs("/sys/fs/bpf/podrtt"));
    }).join();
}

} // namespace
} // namespace podrtt
