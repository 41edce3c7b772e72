// SPDX-License-Identifier: Apache-2.0
//
// What tests do to the system around them: commands, interfaces, network namespaces.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "bpf/user/attach/clsact.h"
#include "bpf/user/attach/tcx.h"
#include "bpf/user/netns.h"

namespace podrtt
{

inline void shell(const std::string &command)
{
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

// Tests with network namespaces that have a path, as runtimes make them: /run/netns/NAME.
class WithNetns : public virtual testing::Test
{
protected:
    static void SetUpTestSuite()
    {
        ASSERT_EQ(mount("tmpfs", "/run", "tmpfs", 0, nullptr), 0);
        std::filesystem::create_directory("/run/netns");
    }
    static void TearDownTestSuite() { umount2("/run", MNT_DETACH); }
};

// In the calling thread's network namespace.
inline std::vector<attach::Filter> filters(int ifindex, attach::Hook hook)
{
    auto netlink = Netlink::open();
    return *attach::list_filters(*netlink, ifindex, hook);
}

inline std::vector<std::string> tcx_names(int ifindex, attach::Hook hook)
{
    std::vector<std::string> names;
    const auto list = attach::list_tcx(ifindex, hook);
    for (const auto &program : list->programs)
        names.push_back(program.name);
    return names;
}

} // namespace podrtt
