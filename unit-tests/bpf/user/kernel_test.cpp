// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/kernel.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

TEST(Kernel, IsNewEnoughFrom515On)
{
    for (const char *release : {"5.15.0-1079-azure", "5.15", "6.1.0-18-amd64", "10.0.1", "unreadable"})
        EXPECT_EQ(missing_from({release, "x86_64", true}), "") << release;
    for (const char *release : {"5.14.21-150500", "5.4.0", "4.19.0", "2.6.32"})
        EXPECT_THAT(missing_from({release, "x86_64", true}), HasSubstr("needs Linux 5.15 or later"))
            << release;
}

TEST(Kernel, IsNewEnoughOnArmFrom518On)
{
    EXPECT_THAT(missing_from({"5.15.0-1079-azure", "aarch64", true}), HasSubstr("5.18 or later on arm64"));
    EXPECT_EQ(missing_from({"6.1.0", "aarch64", true}), "");
}

TEST(Kernel, NeedsBtf)
{
    EXPECT_THAT(missing_from({"6.1.0", "x86_64", false}), HasSubstr("BTF"));
    EXPECT_EQ(missing_from(Kernel::running()), "");
}

TEST(AppArmor, IsNamedWhereItConfines)
{
    const std::string attribute = testing::TempDir() + "podrtt-apparmor";
    for (const auto &[text, profile] :
         {std::pair("cri-containerd.apparmor.d (enforce)\n", "cri-containerd.apparmor.d"),
          std::pair("unconfined\n", ""), std::pair("cri-containerd.apparmor.d (complain)\n", "")}) {
        std::ofstream(attribute) << text;
        EXPECT_EQ(apparmor_profile(attribute), profile);
    }
    std::remove(attribute.c_str());
    EXPECT_EQ(apparmor_profile("/nonexistent"), "");
}

TEST(Kernel, SaysItsReleaseAndItsTick)
{
    EXPECT_FALSE(Kernel::running().release.empty());
    EXPECT_GE(jiffy(), std::chrono::milliseconds(1));
    EXPECT_LE(jiffy(), std::chrono::milliseconds(10));
}

} // namespace
} // namespace podrtt
