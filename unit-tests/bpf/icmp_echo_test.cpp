// SPDX-License-Identifier: Apache-2.0
//
// ICMP echo: requests and replies by the clock of the test.
#include <gtest/gtest.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

enum class Message { request, reply };

// Between a pod (10.0.0.1, fd00::1) and its peer (192.0.2.1, fd00::2).
Bytes echo(Way way, Message message, std::uint16_t id, std::uint16_t sequence, int version = 4)
{
    const bool from_pod = way == Way::from_pod, request = message == Message::request;
    Bytes bytes = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    if (version == 4) {
        const std::uint64_t pod = 0x0a000001, peer = 0xc0000201;
        put(bytes, 0x0800, 2);
        put(bytes, 0x4500, 2);
        put(bytes, 20 + 8 + 56, 2);
        put(bytes, 0, 4);
        put(bytes, 64 << 8 | 1, 2); // TTL, ICMP
        put(bytes, 0, 2);
        put(bytes, from_pod ? pod : peer, 4);
        put(bytes, from_pod ? peer : pod, 4);
        put(bytes, request ? 8 : 0, 1);
    } else {
        put(bytes, 0x86dd, 2);
        put(bytes, 0x60000000, 4);
        put(bytes, 8 + 56, 2);
        put(bytes, 58 << 8 | 64, 2); // ICMPv6, hop limit
        for (std::uint64_t last : {from_pod ? 1u : 2u, from_pod ? 2u : 1u}) {
            put(bytes, 0xfd00000000000000, 8);
            put(bytes, last, 8);
        }
        put(bytes, request ? 128 : 129, 1);
    }
    put(bytes, 0, 3);
    put(bytes, id, 2);
    put(bytes, sequence, 2);
    bytes.resize(bytes.size() + 56, 'x');
    return bytes;
}

class Echo : public testing::Test
{
protected:
    Echo() { traffic_.set(PODRTT_SETTING_ECHO, 1); }

    void request(std::uint64_t at, Way way, std::uint16_t sequence, std::uint16_t id = 7)
    {
        traffic_.pass(at, way, echo(way, Message::request, id, sequence));
    }
    void reply(std::uint64_t at, Way way, std::uint16_t sequence, std::uint16_t id = 7)
    {
        traffic_.pass(at, way, echo(way, Message::reply, id, sequence));
    }
    static SamplesBy samples(podrtt_leg leg, std::uint64_t count, std::uint64_t sum_ns)
    {
        return {{{leg, PODRTT_KIND_ECHO}, {count, sum_ns}}};
    }

    Traffic traffic_;
};

TEST_F(Echo, OfThePodMeasuresTheNetwork)
{
    request(1 * ms, out, 1);
    reply(9 * ms, in, 1);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 8 * ms));
}

TEST_F(Echo, OfThePeerMeasuresThePod)
{
    request(1 * ms, in, 1);
    reply(2 * ms, out, 1);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_POD, 1, 1 * ms));
}

TEST_F(Echo, OfIpv6)
{
    traffic_.pass(1 * ms, out, echo(out, Message::request, 7, 1, 6));
    traffic_.pass(5 * ms, in, echo(in, Message::reply, 7, 1, 6));
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 4 * ms));
}

TEST_F(Echo, SequenceNumberZeroCounts)
{
    request(1 * ms, out, 0);
    reply(3 * ms, in, 0);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 2 * ms));
}

TEST_F(Echo, SeveralMayBeUnderWay)
{
    for (std::uint16_t i = 1; i <= 3; i++)
        request(i * ms, out, i);
    reply(11 * ms, in, 3);
    reply(12 * ms, in, 1);
    reply(13 * ms, in, 2);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 3, 30 * ms));
}

TEST_F(Echo, LostRequestsMakeRoom)
{
    for (std::uint16_t i = 1; i <= 10; i++)
        request(i * s, out, i);
    request(11 * s, out, 11);
    reply(11 * s + 2 * ms, in, 11);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 2 * ms));
}

TEST_F(Echo, SecondReplyIsNoSample)
{
    request(1 * ms, out, 1);
    reply(2 * ms, in, 1);
    reply(3 * ms, in, 1);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 1 * ms));
}

TEST_F(Echo, RequestSentTwiceYieldsNone)
{
    request(1 * ms, out, 1);
    request(5 * ms, out, 1);
    reply(6 * ms, in, 1);
    EXPECT_EQ(traffic_.samples(), SamplesBy());
}

TEST_F(Echo, OfOtherIdentifiersAndDirectionsAreKeptApart)
{
    request(1 * ms, out, 1, 7);
    request(2 * ms, in, 1, 7); // the peer pings with the same numbers
    reply(3 * ms, in, 1, 8);
    EXPECT_EQ(traffic_.samples(), SamplesBy());
    reply(4 * ms, in, 1, 7);
    reply(7 * ms, out, 1, 7);
    EXPECT_EQ(traffic_.samples(), (SamplesBy{{{PODRTT_LEG_NETWORK, PODRTT_KIND_ECHO}, {1, 3 * ms}},
                                             {{PODRTT_LEG_POD, PODRTT_KIND_ECHO}, {1, 5 * ms}}}));
}

TEST_F(Echo, ReplyWithoutRequestMakesNoFlow)
{
    reply(1 * ms, in, 1);
    EXPECT_EQ(traffic_.flows(), 0u);
}

TEST_F(Echo, CostsNothingWhenSwitchedOff)
{
    traffic_.set(PODRTT_SETTING_ECHO, 0);
    request(1 * ms, out, 1);
    reply(9 * ms, in, 1);
    EXPECT_EQ(traffic_.samples(), SamplesBy());
    EXPECT_EQ(traffic_.flows(), 0u);
}

TEST_F(Echo, TruncatedIsCounted)
{
    Bytes bytes = echo(out, Message::request, 7, 1);
    bytes.resize(14 + 20 + 4);
    bytes[17] = 24; // the IP header's length agrees
    traffic_.pass(1 * ms, out, bytes);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_TRUNCATED), 1u);
}

TEST_F(Echo, OtherMessagesAreLeftAlone)
{
    Bytes unreachable = echo(out, Message::request, 7, 1);
    unreachable[34] = 3;
    traffic_.pass(1 * ms, out, unreachable);
    EXPECT_EQ(traffic_.flows(), 0u);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_TRUNCATED), 0u);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_BAD_HEADER), 0u);
}

// The clock of probes wraps after 137 s, and nothing sends a request again.
TEST_F(Echo, ReplyAfterTheClocksWrapIsCounted)
{
    std::uint64_t at = 1 * s;
    std::uint64_t stale = 0;
    for (const std::uint64_t after : {100 * s, 140 * s, 141 * s, 1100 * s, 8797 * s}) {
        const auto sequence = static_cast<std::uint16_t>(++stale);
        request(at, out, sequence);
        at += after;
        reply(at, in, sequence);
        EXPECT_EQ(traffic_.drops(PODRTT_DROP_STALE), stale) << after / s << " s";
    }
    // A younger request between the two does not hide the age of the older.
    request(at, out, 100);
    request(at + 120 * s, out, 101);
    reply(at + 140 * s, in, 100);
    reply(at + 141 * s, in, 101);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_STALE), stale + 1);
    EXPECT_EQ(traffic_.samples(), samples(PODRTT_LEG_NETWORK, 1, 21 * s));
}

} // namespace
} // namespace podrtt
