// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/veth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class PodNetns : public WithNetns
{
protected:
    PodNetns() { shell("ip netns add pod"); }
    ~PodNetns() override { shell("ip netns delete pod"); }

    static Netns pod() { return std::move(*Netns::open("/run/netns/pod")); }
};

TEST_F(PodNetns, HostVethIsFoundFromThePodsSide)
{
    shell("ip link add azv12345678901 type veth peer name eth0 netns pod");
    auto veth = find_host_veth(pod(), "eth0");
    ASSERT_TRUE(veth) << veth.error().message();
    EXPECT_EQ(veth->name, "azv12345678901");
    EXPECT_EQ(static_cast<unsigned>(veth->ifindex), if_nametoindex("azv12345678901"));
    EXPECT_NE(veth->netns_cookie, 0u);
    EXPECT_NE(veth->netns_cookie, Netlink::open()->namespace_cookie());
    shell("ip link delete azv12345678901");
}

TEST_F(PodNetns, ThreadIsBackInItsNamespaceAfterwards)
{
    auto inode = [] {
        struct stat status;
        EXPECT_EQ(stat("/proc/thread-self/ns/net", &status), 0);
        return status.st_ino;
    };
    auto before = inode();
    EXPECT_FALSE(find_host_veth(pod(), "eth0")); // there is none
    EXPECT_EQ(inode(), before);
}

TEST_F(PodNetns, DeviceThatIsNoVethIsNamed)
{
    shell("ip -n pod link add eth0 type bridge");
    auto veth = find_host_veth(pod(), "eth0");
    ASSERT_FALSE(veth);
    EXPECT_THAT(veth.error().message(), HasSubstr("not a veth but bridge"));
}

TEST_F(PodNetns, InterfaceThatIsMissingIsNamed)
{
    auto veth = find_host_veth(pod(), "eth7");
    ASSERT_FALSE(veth);
    EXPECT_THAT(veth.error().message(), HasSubstr("eth7"));
}

// As with Azure's transparent-vlan mode. The number of the peer there may be that of
// another interface here.
TEST_F(PodNetns, PeerInAThirdNamespaceIsNotTakenForAnInterfaceHere)
{
    shell("ip netns add third");
    shell("ip -n third link add outer index 500 type veth peer name eth0 netns pod");
    shell("ip link add decoy index 500 type veth peer name decoy_peer");
    auto veth = find_host_veth(pod(), "eth0");
    ASSERT_FALSE(veth);
    EXPECT_THAT(veth.error().message(), HasSubstr("not in the node's network namespace"));
    shell("ip link delete decoy");
    shell("ip netns delete third");
}

TEST_F(PodNetns, DecoyOfAnotherPodWithEqualNumbersIsNotTaken)
{
    // Both pods' eth0 have the same number, and so have the outer ends, each in its namespace.
    shell("ip netns add third");
    shell("ip netns add other");
    shell("ip -n third link add outer index 500 type veth peer name eth0 index 77 netns pod");
    shell("ip link add decoy index 500 type veth peer name eth0 index 77 netns other");
    auto veth = find_host_veth(pod(), "eth0");
    EXPECT_FALSE(veth);
    shell("ip link delete decoy");
    shell("ip netns delete other");
    shell("ip netns delete third");
}

TEST(NetnsOpen, NamesThePathThatIsMissing)
{
    auto netns = Netns::open("/run/netns/gone");
    ASSERT_FALSE(netns);
    EXPECT_EQ(netns.error().code, ENOENT);
    EXPECT_THAT(netns.error().message(), HasSubstr("/run/netns/gone"));
}

} // namespace
} // namespace podrtt
