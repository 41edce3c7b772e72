// SPDX-License-Identifier: Apache-2.0
//
// The table of flows: who gets a place, and who makes room.
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "bpf/user/histogram.h"
#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t capacity = Traffic::few_flows;

class FlowTable : public testing::Test
{
protected:
    void syn(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(at, {.way = out, .flags = SYN, .seq = 999, .pod_port = port});
    }

    // 8 ms on the network leg, 64 us on the pod's.
    void open(std::uint64_t at, std::uint16_t port)
    {
        syn(at, port);
        traffic_.pass(at + 8 * ms,
                      {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .pod_port = port});
        traffic_.pass(at + 8 * ms + 64 * us, {.way = out, .seq = 1000, .ack = 5000, .pod_port = port});
    }

    // The first request of an open connection, which takes 10 ms.
    void request(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(
            at,
            {.way = out, .flags = ACK | PSH, .seq = 1000, .ack = 5000, .length = 100, .pod_port = port});
        traffic_.pass(at + 10 * ms, {.way = in, .seq = 5000, .ack = 1100, .pod_port = port});
    }

    void reset(std::uint64_t at, std::uint16_t port)
    {
        traffic_.pass(at, {.way = out, .flags = RST, .seq = 1000, .pod_port = port});
    }

    std::uint64_t samples(podrtt_kind kind) { return traffic_.samples()[{PODRTT_LEG_NETWORK, kind}].count; }
    std::uint64_t pushed_out() const
    {
        return traffic_.drops(PODRTT_DROP_FLOW_IDLE) + traffic_.drops(PODRTT_DROP_FLOW_UNANSWERED);
    }

    Traffic traffic_;
};

TEST_F(FlowTable, NobodyMakesRoomWhileMostPlacesAreFree)
{
    constexpr std::uint16_t few = capacity / 4;
    for (std::uint16_t port = 1; port <= few; port++)
        open(10 * ms * port, port);
    for (std::uint16_t port = 1; port <= few; port++)
        request(10 * s + port * ms, port);
    EXPECT_EQ(traffic_.flows(), few);
    EXPECT_EQ(pushed_out(), 0u);
    EXPECT_EQ(samples(PODRTT_KIND_DATA), few);
}

TEST_F(FlowTable, FewMakeRoomBeforeItIsFull)
{
    constexpr std::uint16_t most = capacity * 3 / 4;
    for (std::uint16_t port = 1; port <= most; port++)
        open(10 * ms * port, port);
    EXPECT_EQ(traffic_.flows(), most - pushed_out());
    EXPECT_LT(pushed_out(), most * 6 / 100);
}

TEST_F(FlowTable, ManyUnansweredConnectionsPushOutNoneThatIsMeasured)
{
    constexpr std::uint16_t measured = 100, flood = 60'000;
    for (std::uint16_t port = 1; port <= measured; port++)
        open(port * ms, port);
    for (std::uint16_t port = 1000; port < 1000 + flood; port++)
        syn(1 * s + 20 * us * port, port);
    for (std::uint16_t port = 1; port <= measured; port++)
        request(5 * s + port * ms, port);

    EXPECT_EQ(samples(PODRTT_KIND_DATA), measured);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_FLOW_IDLE), 0u);
    EXPECT_EQ(traffic_.flows(), capacity);
    EXPECT_EQ(pushed_out(), measured + flood - capacity);
}

// Whatever one pod does, answered or not, another's connections stay.
class Flood : public FlowTable, public testing::WithParamInterface<const char *>
{
};

TEST_P(Flood, OfOnePodLeavesAnothersConnections)
{
    constexpr std::uint16_t measured = 100, flood = 60'000;
    constexpr std::uint16_t hostile = Traffic::pod_id + 1;
    const std::string kind = GetParam();
    for (std::uint16_t port = 1; port <= measured; port++)
        open(port * ms, port);
    traffic_.skeleton()->bss->fake_classid = hostile;
    for (std::uint16_t port = 1000; port < 1000 + flood; port++) {
        const std::uint64_t at = 1 * s + 20 * us * port;
        if (kind == "answered_syns" || kind == "short_connections")
            open(at, port);
        if (kind == "syns")
            syn(at, port);
        if (kind == "data")
            traffic_.pass(at, {.way = out,
                               .flags = ACK | PSH,
                               .seq = 1000,
                               .ack = 5000,
                               .length = 100,
                               .pod_port = port});
        if (kind == "short_connections") {
            request(at, port);
            reset(at, port);
        }
    }
    traffic_.skeleton()->bss->fake_classid = Traffic::pod_id;
    for (std::uint16_t port = 1; port <= measured; port++)
        request(5 * s + port * ms, port);
    std::uint64_t seen = 0;
    for (const auto &[key, histogram] : traffic_.histograms())
        if (key.pod == Traffic::pod_id && key.kind == PODRTT_KIND_DATA)
            seen += sample_count(histogram);
    EXPECT_EQ(seen, measured);
}

INSTANTIATE_TEST_SUITE_P(, Flood, testing::Values("syns", "answered_syns", "data", "short_connections"),
                         [](const auto &row) { return std::string(row.param); });

// Of those in reach, which is not all: so the newest quarter is safe, and the oldest is not.
TEST_F(FlowTable, TheLongestIdleMakeRoom)
{
    constexpr std::uint16_t all = 3 * capacity, newest = capacity / 4;
    for (std::uint16_t port = 1; port <= all; port++)
        open(100 * ms * port, port);
    const std::uint64_t later = 100 * ms * (all + 1);
    for (std::uint16_t port = all - newest + 1; port <= all; port++)
        request(later + port * ms, port);
    EXPECT_EQ(samples(PODRTT_KIND_DATA), newest);

    // Of an old one nothing is known any more: its data is the first of a connection met in the
    // middle, which yields no sample.
    for (std::uint16_t port = 1; port <= newest; port++)
        request(later + 10 * s + port * ms, port);
    EXPECT_LT(samples(PODRTT_KIND_DATA), newest + newest / 20);
}

TEST_F(FlowTable, NoFloorIsLostWithTheFlowsThatMakeRoom)
{
    constexpr std::uint16_t all = 4 * capacity;
    for (std::uint16_t port = 1; port <= all; port++)
        open(10 * ms * port, port);
    const std::uint64_t gone = traffic_.drops(PODRTT_DROP_FLOW_IDLE);
    EXPECT_GT(gone, 0u);
    EXPECT_EQ(gone, all - traffic_.flows());
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_NETWORK), (Samples{gone, gone * 8 * ms}));
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_POD), (Samples{gone, gone * 64 * us}));
}

TEST_F(FlowTable, PlacesAreUsedAgain)
{
    for (std::uint16_t round = 0; round < 20; round++)
        for (std::uint16_t port = 1; port <= 200; port++) {
            open(round * s + port * ms, port);
            reset(round * s + port * ms + 10 * ms, port);
        }
    EXPECT_EQ(traffic_.flows(), 0u);
    EXPECT_EQ(pushed_out(), 0u);
    EXPECT_EQ(samples(PODRTT_KIND_HANDSHAKE), 20u * 200);
}

// A connection must not be taken for another that shares all but one part of its key.
TEST_F(FlowTable, ConnectionsOfOnePortAndTwoProtocolsAreKeptApart)
{
    traffic_.pass(1 * ms, {.way = out, .flags = SYN, .seq = 999});
    traffic_.pass(2 * ms, {.way = out, .flags = SYN, .seq = 999, .version = 6});
    EXPECT_EQ(traffic_.flows(), 2u);
    traffic_.pass(9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .version = 6});
    EXPECT_EQ(traffic_.samples(), (SamplesBy{{{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, 7 * ms}}}));
}

// Two CPUs want the same place, one for a connection of IPv4, the other of IPv6: one of them
// gets it, and not each a part of it, which would let neither be measured.
TEST(FlowTableRace, OfTwoCpusOneGetsThePlace)
{
    constexpr std::uint64_t rounds = 20'000;
    Traffic traffic(0, PODRTT_FLOW_WAYS);
    std::barrier meet(2);
    auto work = [&](int version) {
        const Packet syn = {.way = out, .flags = SYN, .seq = 999, .version = version};
        const Packet syn_ack = {
            .way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .version = version};
        const Packet reset = {.way = out, .flags = RST, .seq = 1000, .version = version};
        for (std::uint64_t i = 0; i < rounds; i++) {
            for (const auto &packet : {syn, syn_ack, reset}) {
                meet.arrive_and_wait();
                traffic.pass(1 * s, packet);
            }
        }
    };
    std::thread other([&] { work(6); });
    work(4);
    other.join();
    const auto handshakes = traffic.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}].count;
    std::cout << handshakes << " of " << 2 * rounds << " measured\n";
    EXPECT_GE(handshakes, rounds);
    EXPECT_EQ(traffic.flows(), 0u);
}

} // namespace
} // namespace podrtt
