// SPDX-License-Identifier: Apache-2.0
//
// The wait for a name: DNS messages, and what must be counted of them, by a clock that the test sets.
#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <string_view>

#include "bpf/user/kinds.h"
#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr std::uint16_t response = 0x8000, recursion = 0x0100, truncated = 0x0200, notify = 0x2000;

struct Message {
    std::uint16_t id = 7;
    std::uint16_t flags = recursion;
    std::string name = "www.example.com";
    bool question = true;
    std::uint16_t more = 0; // bytes behind the question
};

Bytes bytes_of(const Message &message)
{
    Bytes bytes;
    put(bytes, message.id, 2);
    put(bytes, message.flags, 2);
    put(bytes, message.question ? 1 : 0, 2);
    put(bytes, 0, 6);
    if (message.question) {
        for (std::size_t begin = 0; begin <= message.name.size();) {
            const std::size_t end = std::min(message.name.find('.', begin), message.name.size());
            put(bytes, end - begin, 1);
            bytes.insert(bytes.end(), message.name.begin() + static_cast<std::ptrdiff_t>(begin),
                         message.name.begin() + static_cast<std::ptrdiff_t>(end));
            begin = end + 1;
        }
        put(bytes, 0, 1);
        put(bytes, 0x00010001, 4); // A, IN
    }
    bytes.resize(bytes.size() + message.more, 'm');
    return bytes;
}

class Dns : public testing::Test
{
protected:
    Dns() { traffic_.set(PODRTT_SETTING_DNS, 1); }

    // Of the pod, which asks from port 40000.
    static Packet query(const Message &message = {}, std::uint16_t port = 40000)
    {
        return {.way = out, .pod_port = port, .peer_port = 53, .datagram = bytes_of(message)};
    }
    static Packet answer(Message message = {}, std::uint16_t port = 40000)
    {
        message.flags |= response;
        return {.way = in, .pod_port = port, .peer_port = 53, .datagram = bytes_of(message)};
    }
    // The same to the pod, which is the server.
    static Packet turned(Packet packet)
    {
        std::swap(packet.pod_port, packet.peer_port);
        packet.way = packet.way == out ? in : out;
        return packet;
    }

    Samples waits(podrtt_leg leg = PODRTT_LEG_NETWORK) const
    {
        return traffic_.waits(PODRTT_KIND_DNS, leg);
    }
    std::uint64_t queries(podrtt_leg leg = PODRTT_LEG_NETWORK) const
    {
        return traffic_.count(PODRTT_COUNT_DNS_QUERIES, leg);
    }
    std::uint64_t answers(std::uint32_t rcode = 0, podrtt_leg leg = PODRTT_LEG_NETWORK) const
    {
        return traffic_.count(bucket_of(PODRTT_COUNT_DNS_ANSWERS, rcode), leg);
    }
    std::uint64_t unasked() const { return traffic_.drops(PODRTT_DROP_DNS_UNASKED); }

    Traffic traffic_;
};

TEST_F(Dns, LastsFromTheQueryToItsAnswer)
{
    traffic_.pass(1 * ms, query());
    traffic_.pass(4 * ms, answer());
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
    EXPECT_EQ(queries(), 1u);
    EXPECT_EQ(answers(), 1u);
    EXPECT_EQ(waits(PODRTT_LEG_POD), Samples());
    EXPECT_EQ(traffic_.flows(), 0u); // nothing is left of it
}

TEST_F(Dns, ServerInThePodIsMeasuredOnItsOwnLeg)
{
    traffic_.pass(1 * ms, turned(query()));
    traffic_.pass(2 * ms, turned(answer()));
    EXPECT_EQ(waits(PODRTT_LEG_POD), (Samples{1, 1 * ms}));
    EXPECT_EQ(queries(PODRTT_LEG_POD), 1u);
    EXPECT_EQ(answers(0, PODRTT_LEG_POD), 1u);
    EXPECT_EQ(waits(), Samples());
}

TEST_F(Dns, GoesOverIpv6)
{
    for (Packet packet : {query(), answer()}) {
        packet.version = 6;
        traffic_.pass(packet.way == out ? 1 * ms : 4 * ms, packet);
    }
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, GoesBehindExtensionHeaders)
{
    for (Packet packet : {query(), answer()}) {
        packet.version = 6;
        packet.first_extension = 60;
        packet.extension_headers = {17, 0, 1, 4, 0, 0, 0, 0};
        traffic_.pass(packet.way == out ? 1 * ms : 4 * ms, packet);
    }
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, QueriesAreToldApartByIdAndPort)
{
    for (std::uint16_t i = 0; i < 20; i++) // more than a connection has slots
        traffic_.pass((1 + i) * ms, query({.id = i}));
    traffic_.pass(30 * ms, query({.id = 3}, 40001));
    for (std::uint16_t i = 0; i < 20; i++)
        traffic_.pass((101 + 2 * i) * ms, answer({.id = i}));
    traffic_.pass(200 * ms, answer({.id = 3}, 40001));
    EXPECT_EQ(waits(), (Samples{21, 20 * 100 * ms + 190 * ms + 170 * ms}));
    EXPECT_EQ(queries(), 21u);
}

TEST_F(Dns, QuerySentAgainCountsFromTheFirst)
{
    traffic_.pass(1 * s, query());
    traffic_.pass(6 * s, query());
    traffic_.pass(11 * s, query());
    traffic_.pass(11 * s + 3 * ms, answer());
    EXPECT_EQ(waits(), (Samples{1, 10 * s + 3 * ms}));
    EXPECT_EQ(queries(), 1u);
}

TEST_F(Dns, MixedCaseAndWhatFollowsTheQuestionAreIrrelevant)
{
    traffic_.pass(1 * s, query({.name = "wWw.eXample.COM", .more = 20}));
    traffic_.pass(6 * s, query({.name = "Www.EXAMPLE.com", .more = 30}));
    traffic_.pass(6 * s + 3 * ms, answer({.name = "wwW.exaMple.com", .more = 400}));
    EXPECT_EQ(waits(), (Samples{1, 5 * s + 3 * ms}));
}

TEST_F(Dns, AnotherQuestionOfTheSameIdBeginsAnew)
{
    traffic_.pass(1 * s, query());
    traffic_.pass(6 * s, query({.name = "mail.example.com"}));
    traffic_.pass(6 * s + 1 * ms, answer()); // to the first one: nobody waits for it any more
    traffic_.pass(6 * s + 3 * ms, answer({.name = "mail.example.com"}));
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
    EXPECT_EQ(queries(), 2u);
    EXPECT_EQ(unasked(), 1u);
}

TEST_F(Dns, AnswersAreCountedByResponseCode)
{
    for (std::uint16_t rcode = 0; rcode < 16; rcode++) {
        traffic_.pass((1 + 2 * rcode) * ms, query({.id = rcode}));
        traffic_.pass((2 + 2 * rcode) * ms, answer({.id = rcode, .flags = rcode}));
    }
    for (std::uint32_t rcode = 0; rcode < 16; rcode++)
        EXPECT_EQ(answers(rcode), 1u) << rcode;
    EXPECT_EQ(waits(), (Samples{16, 16 * ms}));
}

TEST_F(Dns, ErrorWithoutTheQuestionIsAnAnswer)
{
    traffic_.pass(1 * ms, query());
    traffic_.pass(4 * ms, answer({.flags = 1, .question = false}));
    EXPECT_EQ(answers(1), 1u);
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, AnswerWithoutTheQuestionIsNone) // unless it is an error
{
    traffic_.pass(1 * ms, query());
    traffic_.pass(2 * ms, answer({.question = false}));
    EXPECT_EQ(unasked(), 1u);
    traffic_.pass(4 * ms, answer());
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, AnswerThatSaysItIsCutIsOne) // the client asks again by TCP
{
    traffic_.pass(1 * ms, query());
    traffic_.pass(4 * ms, answer({.flags = truncated}));
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, WhatNobodyAskedForIsCounted)
{
    traffic_.pass(1 * ms, answer());
    traffic_.pass(2 * ms, query());
    traffic_.pass(3 * ms, answer({.id = 8}));         // of another ID
    traffic_.pass(4 * ms, answer({}, 40001));         // to another port
    traffic_.pass(5 * ms, answer({.name = "a.org"})); // to another question
    EXPECT_EQ(unasked(), 4u);
    EXPECT_EQ(waits(), Samples());
    traffic_.pass(6 * ms, answer());
    traffic_.pass(7 * ms, answer()); // twice
    EXPECT_EQ(waits(), (Samples{1, 4 * ms}));
    EXPECT_EQ(unasked(), 5u);
    EXPECT_EQ(answers(), 1u);
}

TEST_F(Dns, TruncatedMessagesAreCounted)
{
    Packet packet = query();
    packet.datagram->resize(11);
    traffic_.pass(1 * ms, packet);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_DNS_TRUNCATED), 1u);
    packet = query();
    packet.udp_length_beyond = 1;
    traffic_.pass(2 * ms, packet);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_DNS_TRUNCATED), 2u);
    EXPECT_EQ(queries(), 0u);
    traffic_.pass(3 * ms, answer());
    EXPECT_EQ(waits(), Samples());
}

TEST_F(Dns, AnswerInFragmentsCountsWithTheFirst)
{
    traffic_.pass(1 * ms, query());
    Packet packet = answer({.more = 1000});
    packet.udp_length_beyond = 1000; // the rest is in the second
    packet.fragment = 0x2000;
    traffic_.pass(4 * ms, packet);
    packet.fragment = 100;
    traffic_.pass(5 * ms, packet);
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
    EXPECT_EQ(unasked(), 0u);
    EXPECT_EQ(traffic_.drops(PODRTT_DROP_FRAGMENT), 0u);
}

TEST_F(Dns, OtherMessagesAreLeftAlone)
{
    traffic_.pass(1 * ms, query({.flags = notify}));
    traffic_.pass(2 * ms, answer({.flags = notify}));
    Packet elsewhere = query();
    elsewhere.peer_port = 5353;
    traffic_.pass(3 * ms, elsewhere);
    Packet wrong_way = answer(); // an answer from a port that is no server's
    std::swap(wrong_way.pod_port, wrong_way.peer_port);
    traffic_.pass(4 * ms, wrong_way);
    EXPECT_EQ(queries() + queries(PODRTT_LEG_POD), 0u);
    EXPECT_EQ(unasked(), 0u);
    EXPECT_EQ(traffic_.flows(), 0u);
}

TEST_F(Dns, BothEndsMayUseTheServersPort)
{
    traffic_.pass(1 * ms, query({}, 53));
    traffic_.pass(4 * ms, answer({}, 53));
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
}

TEST_F(Dns, NamesOfAnyLengthAreTaken)
{
    for (const std::size_t length : {1, 30, 31, 32, 33, 63}) {
        const auto at = (10 + length) * s;
        traffic_.pass(at, query({.name = std::string(length, 'a')}));
        traffic_.pass(at + 1 * ms, answer({.name = std::string(length, 'A')}));
    }
    traffic_.pass(1000 * s, query({.name = ""}));
    traffic_.pass(1000 * s + 1 * ms, answer({.name = ""}));
    EXPECT_EQ(waits(), (Samples{7, 7 * ms}));
}

TEST_F(Dns, LateAnswersAreStale)
{
    std::uint64_t stale = 0;
    for (const std::uint64_t after : {65 * s, 127 * s, 138 * s, 9000 * s}) {
        const auto begin = (1 + ++stale * 100'000) * s;
        traffic_.pass(begin, query());
        traffic_.pass(begin + after, answer());
        EXPECT_EQ(waits(), Samples()) << after / s;
        EXPECT_EQ(traffic_.drops(PODRTT_DROP_STALE), stale) << after / s;
    }
}

TEST_F(Dns, QueryThatWasNeverAnsweredIsForgotten)
{
    traffic_.pass(1 * s, query());
    traffic_.pass(1000 * s, query());
    traffic_.pass(1000 * s + 3 * ms, answer());
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
    EXPECT_EQ(queries(), 2u);
}

TEST_F(Dns, IsNotMeasuredWhereItIsOff)
{
    traffic_.set(PODRTT_SETTING_DNS, 0);
    traffic_.pass(1 * ms, query());
    traffic_.pass(4 * ms, answer());
    EXPECT_EQ(queries(), 0u);
    EXPECT_EQ(unasked(), 0u);
    EXPECT_EQ(traffic_.flows(), 0u);
}

// A flow of TCP with the same numbers is another one.
TEST_F(Dns, IdIsNoPortOfTcp)
{
    traffic_.pass(1 * ms, query({.id = 53}));
    traffic_.pass(2 * ms, {.way = out, .flags = SYN, .seq = 999, .peer_port = 53});
    traffic_.pass(3 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .peer_port = 53});
    traffic_.pass(4 * ms, answer({.id = 53}));
    EXPECT_EQ(waits(), (Samples{1, 3 * ms}));
    EXPECT_EQ(traffic_.waits(PODRTT_KIND_HANDSHAKE, PODRTT_LEG_NETWORK), (Samples{1, 1 * ms}));
}

TEST_F(Dns, FloodOfQueriesTakesNoConnectionThatIsMeasured)
{
    traffic_.pass(opened_by(out));
    for (std::uint32_t i = 0; i < 8 * Traffic::few_flows; i++)
        traffic_.pass(10 * ms + i * us, query({.id = static_cast<std::uint16_t>(i)},
                                              static_cast<std::uint16_t>(50000 + i % 1000)));
    traffic_.pass(50 * ms, {.way = out, .flags = ACK | PSH, .seq = 1000, .ack = 5000, .length = 100});
    traffic_.pass(60 * ms, {.way = in, .seq = 5000, .ack = 1100});
    EXPECT_EQ(traffic_.waits(PODRTT_KIND_DATA, PODRTT_LEG_NETWORK), (Samples{1, 10 * ms}));
}

} // namespace
} // namespace podrtt
