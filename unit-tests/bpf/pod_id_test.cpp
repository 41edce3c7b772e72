// SPDX-License-Identifier: Apache-2.0
//
// Whose packet it is: the filter's classid says so, or nobody's.
#include <gtest/gtest.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

const Packet syn = {.way = Way::from_pod, .flags = SYN, .seq = 999};
const Packet syn_ack = {.way = Way::to_pod, .flags = SYN | ACK, .seq = 4999, .ack = 1000};

TEST(PodId, IsThatOfTheFilter)
{
    Traffic traffic;
    for (const std::uint16_t id : {std::uint16_t{1}, std::uint16_t{65535}}) {
        traffic.skeleton()->bss->fake_classid = id;
        traffic.pass(1 * ms, syn);
        traffic.pass(2 * ms, syn_ack);
    }
    std::map<std::uint32_t, std::uint64_t> handshakes;
    for (const auto &[key, histogram] : traffic.histograms())
        if (key.kind == PODRTT_KIND_HANDSHAKE)
            handshakes[key.pod] += histogram.sum;
    EXPECT_EQ(handshakes, (std::map<std::uint32_t, std::uint64_t>{{1, 1 * ms}, {65535, 1 * ms}}));
}

TEST(PodId, NothingIsCountedForNoPod)
{
    Traffic traffic;
    traffic.skeleton()->bss->fake_classid = 0;
    traffic.pass(1 * ms, syn);
    traffic.pass(2 * ms, syn_ack);
    EXPECT_TRUE(traffic.histograms().empty());
    EXPECT_EQ(traffic.flows(), 0u);
    EXPECT_EQ(traffic.drops(PODRTT_DROP_NO_POD), 2u);
}

// A flow key holds the protocol: an echo identifier is not a TCP port.
TEST(PodId, ProtocolTellsFlowsApart)
{
    EXPECT_EQ(offsetof(podrtt_flow_key, protocol), 2u);
    Traffic traffic;
    traffic.pass(1 * ms, syn);
    const int fd = bpf_map__fd(traffic.skeleton()->maps.flows);
    for (std::uint32_t number = 0; number < map_capacity(fd); number++) {
        podrtt_flow_set set;
        ASSERT_EQ(bpf_map_lookup_elem(fd, &number, &set), 0);
        for (const auto &flow : set.way)
            EXPECT_EQ(flow.key.protocol, flow.key.pod ? 6 : 0);
    }
}

} // namespace
} // namespace podrtt
