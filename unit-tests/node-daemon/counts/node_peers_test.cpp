// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <gmock/gmock.h>

#include "node-daemon/counts/peer_classes.h"
#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

std::vector<std::string> addresses()
{
    std::vector<std::string> found;
    const auto prefixes = node_peers();
    for (const auto &prefix : *prefixes) {
        EXPECT_EQ(prefix.name, "node");
        EXPECT_EQ(prefix.key.prefix_len, 128u);
        char text[INET6_ADDRSTRLEN];
        found.emplace_back(inet_ntop(AF_INET6, prefix.key.address, text, sizeof(text)));
    }
    return found;
}

TEST(NodePeers, AreTheAddressesOfTheNodeAndNoOthers)
{
    const auto before = addresses();
    EXPECT_THAT(before, testing::Not(testing::Contains("::ffff:127.0.0.1")));
    shell("ip link set lo up");
    shell("ip address add 192.0.2.6/32 dev lo"); // as nodes have it that are routed to
    shell("ip link add node_a type veth peer name node_b");
    shell("ip link set node_a up");
    shell("ip link set node_b up");
    for (const char *address : {"192.0.2.7/24", "169.254.1.1/32", "2001:db8::7/64"})
        shell("ip address add " + std::string(address) + " dev node_a nodad");
    shell("ip address add 192.0.2.7/32 dev node_b nodad"); // twice
    shell("ip link add cilium_host type veth peer name cilium_net");
    shell("ip link set cilium_host arp off");
    shell("ip address add 192.0.2.8/32 dev cilium_host");
    auto after = addresses();
    for (const auto &known : before)
        std::erase(after, known);
    EXPECT_THAT(after, testing::UnorderedElementsAre("::ffff:192.0.2.6", "::ffff:192.0.2.7",
                                                     "::ffff:192.0.2.8", "2001:db8::7"));
    shell("ip link delete node_a");
    shell("ip link delete cilium_host");
    shell("ip address delete 192.0.2.6/32 dev lo");
}

} // namespace
} // namespace podrtt
