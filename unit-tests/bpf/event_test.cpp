// SPDX-License-Identifier: Apache-2.0
//
// Live events: every sample while somebody reads, none otherwise, and what does not fit
// is counted.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <utility>

#include "bpf/user/event_ring.h"
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
    constexpr std::uint64_t connections = 4000; // seven events of over 100 bytes each, in 1 MiB
    traffic_.report_until(~0ull);
    for (std::uint64_t i = 0; i < connections; i++)
        connect(100 * ms, static_cast<std::uint16_t>(1024 + i));
    const std::uint64_t read = traffic_.events().size() + traffic_.connection_events().size();
    EXPECT_GT(traffic_.drops(PODRTT_DROP_EVENTS_FULL), 0u);
    EXPECT_EQ(read + traffic_.drops(PODRTT_DROP_EVENTS_FULL), 7 * connections);
    EXPECT_EQ((traffic_.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}].count), connections);
}

// Who has told: the end whose packet it was, as the source of samples.
void expect_event(const podrtt_event &event, podrtt_kind kind, podrtt_leg leg, podrtt_reason reason)
{
    EXPECT_EQ(event.kind, kind);
    EXPECT_EQ(event.leg, leg);
    EXPECT_EQ(event.rtt, reason);
    EXPECT_EQ(event.flow.pod_port, htons(40000));
}

TEST_F(Events, TellOfAConnectionThatOpensAndCloses)
{
    traffic_.report_until(~0ull);
    connect(100 * ms);
    traffic_.pass(200 * ms, {.way = Way::to_pod, .flags = FIN | ACK, .seq = 5500, .ack = 1100});
    traffic_.pass(201 * ms,
                  {.way = Way::to_pod, .flags = FIN | ACK, .seq = 5500, .ack = 1100}); // sent again
    traffic_.pass(202 * ms, {.way = Way::from_pod, .flags = FIN | ACK, .seq = 1100, .ack = 5501});
    traffic_.pass(203 * ms, {.way = Way::to_pod, .seq = 5501, .ack = 1101});
    const auto events = traffic_.connection_events();
    ASSERT_EQ(events.size(), 3u);
    expect_event(events[0], PODRTT_KIND_OPENED, PODRTT_LEG_NETWORK, PODRTT_REASON_SYN_ACK);
    EXPECT_EQ(events[0].time, 108 * ms);
    expect_event(events[1], PODRTT_KIND_CLOSED, PODRTT_LEG_NETWORK, PODRTT_REASON_FIN);
    EXPECT_EQ(events[1].time, 200 * ms);
    expect_event(events[2], PODRTT_KIND_CLOSED, PODRTT_LEG_POD, PODRTT_REASON_FIN);
}

TEST_F(Events, TellOfAResetThatIsTaken)
{
    traffic_.report_until(~0ull);
    connect(100 * ms);
    traffic_.pass(200 * ms, {.way = Way::to_pod, .flags = RST, .seq = 77}); // stray
    traffic_.pass(201 * ms, {.way = Way::from_pod, .flags = RST, .seq = 1100});
    const auto events = traffic_.connection_events();
    ASSERT_EQ(events.size(), 2u);
    expect_event(events[1], PODRTT_KIND_CLOSED, PODRTT_LEG_POD, PODRTT_REASON_RST);
    EXPECT_EQ(events[1].time, 201 * ms);
}

TEST_F(Events, TellOfAConnectionThatIsMetLater)
{
    traffic_.report_until(~0ull);
    traffic_.pass(100 * ms,
                  {.way = Way::from_pod, .flags = ACK | PSH, .seq = 1000, .ack = 5000, .length = 100});
    traffic_.pass(120 * ms, {.way = Way::to_pod, .seq = 5000, .ack = 1100});
    const auto events = traffic_.connection_events();
    ASSERT_EQ(events.size(), 1u);
    expect_event(events[0], PODRTT_KIND_OPENED, PODRTT_LEG_NETWORK, PODRTT_REASON_FIRST);
}

// ePPing tells of no connection that has not opened.
TEST_F(Events, SayNothingOfARefusedConnection)
{
    traffic_.report_until(~0ull);
    traffic_.pass(100 * ms, {.way = Way::from_pod, .flags = SYN, .seq = 999});
    traffic_.pass(101 * ms, {.way = Way::to_pod, .flags = RST | ACK, .seq = 0, .ack = 1000});
    EXPECT_EQ(traffic_.connects(PODRTT_LEG_NETWORK)[PODRTT_CONNECT_REFUSED], 1u);
    EXPECT_TRUE(traffic_.connection_events().empty());
}

TEST_F(Events, TellOfAnEndOnce)
{
    traffic_.report_until(~0ull);
    connect(100 * ms);
    traffic_.pass(200 * ms, {.way = Way::from_pod, .flags = FIN | ACK, .seq = 1100, .ack = 5500});
    traffic_.pass(201 * ms, {.way = Way::from_pod, .flags = RST, .seq = 1101});
    EXPECT_EQ(traffic_.connection_events().size(), 2u);
}

// As when the programs are moved to where both directions pass.
TEST_F(Events, TellOnceOfAConnectionThatWasSeenInOneDirectionFirst)
{
    traffic_.report_until(~0ull);
    traffic_.pass(100 * ms, {.way = Way::from_pod, .flags = SYN, .seq = 999});
    traffic_.pass(101 * ms,
                  {.way = Way::from_pod, .flags = ACK | PSH, .seq = 1000, .ack = 5000, .length = 100});
    EXPECT_TRUE(traffic_.connection_events().empty());
    traffic_.pass(120 * ms, {.way = Way::to_pod, .seq = 5000, .ack = 1100});
    traffic_.pass(130 * ms,
                  {.way = Way::from_pod, .flags = ACK | PSH, .seq = 1100, .ack = 5000, .length = 100});
    traffic_.pass(140 * ms, {.way = Way::to_pod, .seq = 5000, .ack = 1200});
    const auto events = traffic_.connection_events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].kind, PODRTT_KIND_OPENED);
}

class SeveralReaders : public Events
{
protected:
    EventRing reader()
    {
        auto ring = EventRing::of(Fd(dup(bpf_map__fd(traffic_.skeleton()->maps.events))), "events");
        EXPECT_TRUE(ring);
        return std::move(*ring);
    }

    static std::uint64_t read(EventRing &ring)
    {
        std::uint64_t count = 0;
        while (ring.next())
            count++;
        return count;
    }
};

TEST_F(SeveralReaders, HaveEachEvent)
{
    traffic_.report_until(~0ull);
    connect(100 * ms);
    auto one = reader(), other = reader(); // of what comes
    EXPECT_FALSE(one.next());
    connect(200 * ms, 40001);
    EXPECT_EQ(one.next()->kind, PODRTT_KIND_CONNECT);
    EXPECT_EQ(read(other), 7u);
    EXPECT_EQ(read(one), 6u);
    connect(300 * ms, 40002);
    EXPECT_EQ(read(one), 7u);
    EXPECT_EQ(other.next()->flow.pod_port, htons(40002));
    EXPECT_EQ(one.lost() + other.lost(), 0u);
}

TEST_F(SeveralReaders, WhoIsSlowLosesForHimselfAlone)
{
    constexpr std::uint64_t connections = 4000; // four times what there is room for
    traffic_.report_until(~0ull);
    auto slow = reader(), fast = reader();
    std::uint64_t all = 0;
    for (std::uint64_t i = 0; i < connections; i++) {
        connect(100 * ms, static_cast<std::uint16_t>(1024 + i));
        all += read(fast);
    }
    EXPECT_EQ(all, 7 * connections);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_EVENTS_FULL), 0u);
    const std::uint64_t late = read(slow);
    EXPECT_EQ(fast.lost(), 0u);
    EXPECT_GT(slow.lost(), 0u);
    EXPECT_EQ(late + slow.lost(), all);
    connect(200 * ms, 999);
    EXPECT_EQ(read(slow), 7u); // and goes on
}

} // namespace
} // namespace podrtt
