// SPDX-License-Identifier: Apache-2.0
//
// Live events: every sample while somebody reads, none otherwise, and what does not fit
// is counted.
#include <gtest/gtest.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

class Events : public testing::Test
{
protected:
    // A connection that the pod opens at `at_ns`, and a request with its answer.
    void connect(std::uint64_t at_ns, std::uint16_t pod_port = 40000)
    {
        auto pass = [&](std::uint64_t after, Packet packet) {
            packet.pod_port = pod_port;
            traffic_.pass(at_ns + after, packet);
        };
        pass(0, {.way = Way::from_pod, .flags = SYN, .seq = 999});
        pass(8 * ms, {.way = Way::to_pod, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
        pass(9 * ms, {.way = Way::from_pod, .seq = 1000, .ack = 5000});
        pass(10 * ms, {.way = Way::from_pod, .flags = ACK | PSH, .seq = 1000, .ack = 5000, .length = 100});
        pass(30 * ms, {.way = Way::to_pod, .flags = ACK | PSH, .seq = 5000, .ack = 1100, .length = 500});
        pass(31 * ms, {.way = Way::from_pod, .seq = 1100, .ack = 5500});
    }

    Traffic traffic_;
};

TEST_F(Events, AreNotReportedWhileNobodyReads)
{
    connect(100 * ms);
    EXPECT_TRUE(traffic_.events().empty());
}

TEST_F(Events, AreNotReportedAfterTheReaderHasGone)
{
    traffic_.report_until(90 * ms);
    connect(100 * ms);
    EXPECT_TRUE(traffic_.events().empty());
}

TEST_F(Events, TellEverySampleInOrder)
{
    traffic_.report_until(1000 * ms);
    connect(100 * ms);
    auto events = traffic_.events();
    ASSERT_EQ(events.size(), 6u);

    EXPECT_EQ(events[0].kind, PODRTT_KIND_CONNECT);
    EXPECT_EQ(events[0].leg, PODRTT_LEG_NETWORK);
    EXPECT_EQ(events[0].rtt, 8 * ms);
    events.erase(events.begin());

    EXPECT_EQ(events[2].kind, PODRTT_KIND_RESPONSE);
    EXPECT_EQ(events[2].leg, PODRTT_LEG_NETWORK);
    EXPECT_EQ(events[2].rtt, 20 * ms);
    EXPECT_EQ(events[2].ack, 1100u);
    events.erase(events.begin() + 2);

    EXPECT_EQ(events[0].kind, PODRTT_KIND_HANDSHAKE);
    EXPECT_EQ(events[0].leg, PODRTT_LEG_NETWORK);
    EXPECT_EQ(events[0].time, 108 * ms);
    EXPECT_EQ(events[0].rtt, 8 * ms);
    EXPECT_EQ(events[0].ack, 1000u);

    EXPECT_EQ(events[1].kind, PODRTT_KIND_HANDSHAKE);
    EXPECT_EQ(events[1].leg, PODRTT_LEG_POD);
    EXPECT_EQ(events[1].rtt, 1 * ms);

    EXPECT_EQ(events[2].kind, PODRTT_KIND_DATA);
    EXPECT_EQ(events[2].leg, PODRTT_LEG_NETWORK);
    EXPECT_EQ(events[2].rtt, 20 * ms);
    EXPECT_EQ(events[2].min_rtt, 8 * ms); // the handshake's
    EXPECT_EQ(events[2].ack, 1100u);
    EXPECT_EQ(events[2].bytes[PODRTT_LEG_NETWORK], 100u);
    EXPECT_EQ(events[2].bytes[PODRTT_LEG_POD], 500u);
    EXPECT_EQ(events[2].packets[PODRTT_LEG_NETWORK], 3u);
    EXPECT_EQ(events[2].packets[PODRTT_LEG_POD], 2u);

    EXPECT_EQ(events[3].leg, PODRTT_LEG_POD);
    EXPECT_EQ(events[3].rtt, 1 * ms);
    EXPECT_EQ(events[3].ack, 5500u);
}

TEST_F(Events, ThatDoNotFitAreCountedAndTheirSamplesKept)
{
    constexpr std::uint64_t connections = 4000; // six events of over 100 bytes each, in 1 MiB
    traffic_.report_until(~0ull);
    for (std::uint64_t i = 0; i < connections; i++)
        connect(100 * ms, static_cast<std::uint16_t>(1024 + i));
    std::uint64_t read = traffic_.events().size();
    EXPECT_GT(traffic_.drops(PODRTT_DROP_EVENTS_FULL), 0u);
    EXPECT_EQ(read + traffic_.drops(PODRTT_DROP_EVENTS_FULL), 6 * connections);
    EXPECT_EQ((traffic_.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}].count), connections);
}

} // namespace
} // namespace podrtt
