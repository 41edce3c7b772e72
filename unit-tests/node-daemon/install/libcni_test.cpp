// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/libcni.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "unit-tests/support/directory.h"

namespace podrtt
{
namespace
{

class Libcni : public TemporaryDirectory
{
protected:
    // An executable with the build information that Go 1.18 and later write.
    std::filesystem::path executable(const std::string &modules)
    {
        write(directory() / "section", std::string("\xff Go buildinf:\x08\x02", 16) +
                                           std::string(16, '\0') + "\x08go1.22.1" + "\x7f" + modules);
        const auto path = directory() / "containerd";
        const std::string command =
            "objcopy --add-section .go.buildinfo=" + (directory() / "section").string() + " /bin/true " +
            path.string();
        EXPECT_EQ(std::system(command.c_str()), 0);
        return path;
    }

    static std::string module(const std::string &version)
    {
        return "path\tx\ndep\tgithub.com/containernetworking/cni\tv" + version + "\th1:abc=\n";
    }
};

TEST_F(Libcni, LoadsDropInsFrom13On)
{
    for (const auto &[version, expected] :
         {std::pair("1.1.2", false), std::pair("1.2.9", false), std::pair("1.3.0", true),
          std::pair("1.10.1-rc.1", true), std::pair("2.0.0", true), std::pair("x", false)})
        EXPECT_EQ(loads_drop_ins(executable(module(version))), expected) << version;
}

TEST_F(Libcni, WithoutModulesIsKnownByTheKeyThatForbids)
{
    const auto path = executable("dep\tgithub.com/containernetworking/plugins\tv1.4.0\n");
    EXPECT_FALSE(loads_drop_ins(path));
    write(path, read(path) + "...cniVersionloadOnlyInlinedPluginsdisableCheck...");
    EXPECT_TRUE(loads_drop_ins(path));
}

TEST_F(Libcni, KeyIsFoundOverTheBorderOfWhatIsReadAtOnce)
{
    for (const std::size_t before :
         {std::size_t{0}, std::size_t{(1 << 20) - 5}, std::size_t{(3 << 20) - 21}}) {
        const auto path = directory() / std::to_string(before);
        write(path, std::string(before, 'x') + "loadOnlyInlinedPlugins");
        EXPECT_TRUE(loads_drop_ins(path)) << before;
    }
}

TEST_F(Libcni, WithoutModulesIsKnownByContainerdsVersion)
{
    const auto path = directory() / "containerd";
    for (const auto &[answer, expected] :
         {std::pair("containerd github.com/containerd/containerd/v2 2.1.9~ds1 2.1.9~ds1-1", true),
          std::pair("containerd github.com/containerd/containerd/v2 v2.3.3 0123abc", true),
          std::pair("containerd github.com/containerd/containerd/v2 v2.0.5 0123abc", false),
          std::pair("containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3", false),
          std::pair("crio version 2.1.0", false), std::pair("", false)}) {
        write(path, "#!/bin/sh\necho '" + std::string(answer) + "'\n");
        std::filesystem::permissions(path, std::filesystem::perms(0755));
        EXPECT_EQ(loads_drop_ins(path), expected) << answer;
    }
}

TEST_F(Libcni, OfWhatSaysNothingIsOld)
{
    EXPECT_FALSE(loads_drop_ins(executable("dep\tgithub.com/containernetworking/plugins\tv1.4.0\n")));
    EXPECT_FALSE(loads_drop_ins("/bin/true"));
    EXPECT_FALSE(loads_drop_ins("/nonexistent"));
    EXPECT_FALSE(loads_drop_ins(directory()));
    write(directory() / "text", module("1.3.0"));
    EXPECT_FALSE(loads_drop_ins(directory() / "text"));
    ASSERT_EQ(std::system(("mkfifo " + (directory() / "fifo").string()).c_str()), 0);
    EXPECT_FALSE(loads_drop_ins(directory() / "fifo"));
}

} // namespace
} // namespace podrtt
