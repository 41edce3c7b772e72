// SPDX-License-Identifier: Apache-2.0
//
// The wait for a connection: sequences of segments, and what must be counted of them, by a clock that
// the test sets.
#include <gtest/gtest.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

using Results = std::array<std::uint64_t, PODRTT_CONNECT_RESULTS>; // begun, answered, refused

struct Opening {
    const char *name;
    std::vector<Step> steps;
    Samples network; // waits of connections that the pod begins
    Results network_results;
    Samples pod = {}; // of those that are begun to it
    Results pod_results = {};
};

void PrintTo(const Opening &opening, std::ostream *stream)
{
    *stream << opening.name;
}

Packet syn(Way way, std::uint32_t seq = 999, std::optional<Timestamps> timestamps = {})
{
    return {.way = way, .flags = SYN, .seq = seq, .timestamps = timestamps};
}

Packet syn_ack(Way way, std::uint32_t ack = 1000, std::optional<Timestamps> timestamps = {})
{
    return {.way = way, .flags = SYN | ACK, .seq = 4999, .ack = ack, .timestamps = timestamps};
}

class Connecting : public testing::TestWithParam<Opening>
{
};

TEST_P(Connecting, LastsFromTheFirstSynToTheAnswer)
{
    Traffic traffic;
    traffic.pass(GetParam().steps);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_CONNECT, PODRTT_LEG_NETWORK), GetParam().network);
    EXPECT_EQ(traffic.connects(PODRTT_LEG_NETWORK), GetParam().network_results);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_CONNECT, PODRTT_LEG_POD), GetParam().pod);
    EXPECT_EQ(traffic.connects(PODRTT_LEG_POD), GetParam().pod_results);
}

const std::vector<Opening> openings = {
    {"at_once", {{1 * ms, syn(out)}, {9 * ms, syn_ack(in)}}, {1, 8 * ms}, {1, 1, 0}},
    {"to_the_pod", {{1 * ms, syn(in)}, {3 * ms, syn_ack(out)}}, {}, {}, {1, 2 * ms}, {1, 1, 0}},
    {"with_timestamps",
     {{1 * ms, syn(out, 999, Timestamps{100, 0})}, {9 * ms, syn_ack(in, 1000, Timestamps{700, 100})}},
     {1, 8 * ms},
     {1, 1, 0}},
    // A round trip may not be told of it; the wait can.
    {"syn_sent_again",
     {{0 * s + 1 * ms, syn(out)}, {1 * s + 1 * ms, syn(out)}, {1 * s + 21 * ms, syn_ack(in)}},
     {1, 1 * s + 20 * ms},
     {1, 1, 0}},
    {"syn_sent_again_with_timestamps",
     {{1 * ms, syn(out, 999, Timestamps{100, 0})},
      {1 * s + 1 * ms, syn(out, 999, Timestamps{1100, 0})},
      {3 * s + 1 * ms, syn(out, 999, Timestamps{3100, 0})},
      {3 * s + 21 * ms, syn_ack(in, 1000, Timestamps{700, 3100})}},
     {1, 3 * s + 20 * ms},
     {1, 1, 0}},
    {"syn_ack_sent_again",
     {{1 * ms, syn(out)}, {9 * ms, syn_ack(in)}, {1 * s, syn_ack(in)}, {2 * s, syn_ack(in)}},
     {1, 8 * ms},
     {1, 1, 0}},
    {"syn_sent_again_after_the_answer", // which was lost behind the veth
     {{1 * ms, syn(out)}, {9 * ms, syn_ack(in)}, {1 * s, syn(out)}, {1 * s + 9 * ms, syn_ack(in)}},
     {1, 8 * ms},
     {1, 1, 0}},
    {"client_gives_up", {{1 * ms, syn(out)}, {1 * s, syn(out)}, {3 * s, syn(out)}}, {}, {1, 0, 0}},
    {"refused",
     {{1 * ms, syn(out)}, {9 * ms, {.way = in, .flags = RST | ACK, .ack = 1000}}},
     {},
     {1, 0, 1}},
    {"refused_after_the_second",
     {{1 * ms, syn(out)}, {1 * s, syn(out)}, {2 * s, {.way = in, .flags = RST | ACK, .ack = 1000}}},
     {},
     {1, 0, 1}},
    {"refused_by_the_pod",
     {{1 * ms, syn(in)}, {2 * ms, {.way = out, .flags = RST | ACK, .ack = 1000}}},
     {},
     {},
     {},
     {1, 0, 1}},
    {"stray_resets_do_not_end_the_wait", // RFC 9293, 3.10.7.3: they acknowledge nothing, or something else
     {{1 * ms, syn(out)},
      {2 * ms, {.way = in, .flags = RST, .seq = 5000}},
      {3 * ms, {.way = in, .flags = RST, .seq = 0}},
      {4 * ms, {.way = in, .flags = RST | ACK, .ack = 999}},
      {5 * ms, {.way = in, .flags = RST | ACK, .ack = 1001}},
      {6 * ms, {.way = in, .flags = RST | ACK, .ack = 0x80000000}},
      {1 * s + 1 * ms, syn(out)},
      {1 * s + 51 * ms, syn_ack(in)}},
     {1, 1 * s + 50 * ms},
     {1, 1, 0}},
    {"stray_acks_do_not_end_the_wait", // of an old connection between the same ports, say
     {{1 * ms, syn(out)},
      {2 * ms, {.way = in, .flags = ACK, .seq = 77, .ack = 0x70000000}},
      {3 * ms, {.way = in, .flags = ACK, .seq = 77, .ack = 1000}},
      {4 * ms, syn_ack(in, 0x70000000)},
      {1 * s + 1 * ms, syn(out)},
      {1 * s + 51 * ms, syn_ack(in)}},
     {1, 1 * s + 50 * ms},
     {1, 1, 0}},
    {"what_it_refuses_does_not_end_the_wait", // with a reset where the stray ACK said (RFC 9293)
     {{1 * ms, syn(out)},
      {2 * ms, {.way = in, .flags = ACK, .seq = 77, .ack = 0x70000000}},
      {3 * ms, {.way = out, .flags = RST, .seq = 0x70000000}},
      {4 * ms, syn_ack(in, 0x60000000)},
      {5 * ms, {.way = out, .flags = RST, .seq = 0x60000000}},
      {1 * s + 1 * ms, syn(out)},
      {1 * s + 51 * ms, syn_ack(in)}},
     {1, 1 * s + 50 * ms},
     {1, 1, 0}},
    {"stray_data_of_the_same_ports_does_not_end_the_wait", // of who had them before
     {{1 * ms, syn(in, 4999)},
      {2 * ms, {.way = in, .flags = ACK | PSH, .seq = 0x70000000, .ack = 77, .length = 100}},
      {3 * ms, {.way = in, .flags = ACK | FIN, .seq = 77, .ack = 77}},
      {1 * s + 1 * ms, syn(in, 4999)},
      {1 * s + 2 * ms, {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000}}},
     {},
     {},
     {1, 1 * s + 1 * ms},
     {1, 1, 0}},
    {"ack_that_is_refused_does_not_hide_the_answer", // of the same number
     {{1 * ms, syn(out)},
      {2 * ms, {.way = in, .flags = ACK, .seq = 5000, .ack = 1000}},
      {9 * ms, syn_ack(in, 1000)}},
     {1, 8 * ms},
     {1, 1, 0}},
    {"fast_open_whose_syn_ack_is_overtaken_by_the_response",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 100}},
      {8 * ms, {.way = in, .flags = ACK | PSH, .seq = 5000, .ack = 1100, .length = 100}},
      {9 * ms, syn_ack(in, 1100)}},
     {1, 8 * ms},
     {1, 1, 0}},
    {"fast_open_accepted",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 100}}, {9 * ms, syn_ack(in, 1100)}},
     {1, 8 * ms},
     {1, 1, 0}},
    {"fast_open_declined", // and what follows is sent without data
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 100}},
      {1 * s + 1 * ms, syn(out)},
      {1 * s + 9 * ms, syn_ack(in, 1000)}},
     {1, 1 * s + 8 * ms},
     {1, 1, 0}},
    {"fast_open_refused",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 100}},
      {9 * ms, {.way = in, .flags = RST | ACK, .ack = 1100}}},
     {},
     {1, 0, 1}},
    {"simultaneous_open",
     {{1 * ms, syn(out)},
      {2 * ms, syn(in, 4999)},
      {3 * ms, {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000}},
      {10 * ms, syn_ack(in)}},
     {1, 9 * ms},
     {1, 1, 0},
     {1, 1 * ms},
     {1, 1, 0}},
    {"ports_used_again", // after a client has given up
     {{1 * ms, syn(out)}, {10 * s, syn(out, 0x40000000)}, {10 * s + 5 * ms, syn_ack(in, 0x40000001)}},
     {1, 5 * ms},
     {2, 1, 0}},
    {"ports_used_again_after_a_reset",
     {{1 * ms, syn(out)},
      {9 * ms, {.way = in, .flags = RST | ACK, .ack = 1000}},
      {10 * s, syn(out, 0x40000000)},
      {10 * s + 5 * ms, syn_ack(in, 0x40000001)}},
     {1, 5 * ms},
     {2, 1, 1}},
    {"sequence_number_zero",
     {{1 * ms, syn(out, 0xffffffff)},
      {1 * s + 1 * ms, syn(out, 0xffffffff)},
      {1 * s + 9 * ms, syn_ack(in, 0)}},
     {1, 1 * s + 8 * ms},
     {1, 1, 0}},
    {"over_the_wrap_of_the_clock", // 2^32 units of 32 ns
     {{137'430 * ms, syn(out)}, {138'430 * ms, syn(out)}, {138'440 * ms, syn_ack(in)}},
     {1, 1010 * ms},
     {1, 1, 0}},
};

INSTANTIATE_TEST_SUITE_P(, Connecting, testing::ValuesIn(openings),
                         [](const auto &row) { return row.param.name; });

TEST(ConnectingForLong, IsCountedAsStaleAndAsAnswered)
{
    for (const std::uint64_t after : {65 * s, 127 * s, 138 * s, 1000 * s}) {
        Traffic traffic;
        traffic.pass(1 * ms, syn(out));
        traffic.pass(after, syn(out)); // the last one's time is another
        traffic.pass(after + 1 * ms, syn_ack(in));
        EXPECT_EQ(traffic.waits(PODRTT_KIND_CONNECT, PODRTT_LEG_NETWORK), Samples()) << after / s;
        EXPECT_EQ(traffic.drops(PODRTT_DROP_STALE), 1u) << after / s;
        EXPECT_EQ(traffic.connects(PODRTT_LEG_NETWORK), (Results{1, 1, 0})) << after / s;
    }
}

TEST(Refused, SynAckCountsNoConnection)
{
    Traffic traffic;
    traffic.pass(1 * ms, syn(out));
    traffic.pass(2 * ms, syn_ack(in, 0x70000000));
    EXPECT_EQ(traffic.connections(), (std::array<std::uint64_t, PODRTT_MATCHINGS>{0, 0, 0}));
    traffic.pass(9 * ms, {.way = in, .flags = SYN | ACK, .seq = 8999, .ack = 1000});
    EXPECT_EQ(traffic.connections(), (std::array<std::uint64_t, PODRTT_MATCHINGS>{0, 1, 0}));
}

// Then the connection is measured as any other.
TEST(ConnectingUnseen, IsRecoveredFrom)
{
    Traffic traffic;
    traffic.pass(1 * ms, syn(out));
    for (std::uint32_t i = 0; i < 3; i++) { // the SYN-ACK has passed unseen
        traffic.pass((20 + 20 * i) * ms,
                     {.way = out, .flags = ACK | PSH, .seq = 1000 + i * 100, .ack = 5000, .length = 100});
        traffic.pass((30 + 20 * i) * ms, {.way = in, .flags = ACK, .seq = 5000, .ack = 1100 + i * 100});
    }
    EXPECT_EQ(traffic.samples(), (SamplesBy{{{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}, {2, 20 * ms}}}));
    EXPECT_EQ(traffic.connects(PODRTT_LEG_NETWORK), (Results{1, 0, 0}));
}

} // namespace
} // namespace podrtt
