// SPDX-License-Identifier: Apache-2.0
//
// What a loss costs: sequences of segments, the waits and the packets sent again that must be counted of
// them, by a clock that the test sets.
#include <gtest/gtest.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

struct Loss {
    const char *name;
    std::vector<Step> steps; // after the handshake; numbers begin at 1000 and 5000
    Samples recovery;
    std::uint64_t resent;
    std::uint64_t round_trips = 0; // of data, on the same leg
    podrtt_leg leg = PODRTT_LEG_NETWORK;
    bool timestamps = false;
};

void PrintTo(const Loss &loss, std::ostream *stream)
{
    *stream << loss.name;
}

Timestamps tsval(std::uint32_t number)
{
    return {number, 1};
}

Timestamps tsecr(std::uint32_t number)
{
    return {800, number};
}

// 93,000 bytes at once, until 21 ms; of what is beyond 64 KiB nothing is watched.
std::vector<Step> bulk()
{
    std::vector<Step> steps;
    steps.reserve(32);
    for (std::uint32_t i = 0; i < 31; i++)
        steps.push_back({20 * ms + i * 33 * us, data(out, 1000 + 3000 * i, 5000, 3000)});
    steps.push_back({22 * ms, pure_ack(in, 5000, 1000 + 3000 * 21)});
    return steps;
}

class Recovering : public testing::TestWithParam<Loss>
{
};

TEST_P(Recovering, LastsFromTheFirstSendingToTheAck)
{
    Traffic traffic;
    traffic.pass(opened_by(out, GetParam().timestamps));
    traffic.pass(GetParam().steps);
    const podrtt_leg leg = GetParam().leg;
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RECOVERY, leg), GetParam().recovery);
    EXPECT_EQ(traffic.count(PODRTT_COUNT_RESENT, leg), GetParam().resent);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_DATA, leg).count, GetParam().round_trips);
    const podrtt_leg other = leg == PODRTT_LEG_POD ? PODRTT_LEG_NETWORK : PODRTT_LEG_POD;
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RECOVERY, other), Samples());
    EXPECT_EQ(traffic.count(PODRTT_COUNT_RESENT, other), 0u);
}

const std::vector<Loss> losses = {
    {"none", {{20 * ms, data(out, 1000, 5000, 100)}, {30 * ms, pure_ack(in, 5000, 1100)}}, {}, 0, 1},
    {"request_after_a_timeout",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {230 * ms, pure_ack(in, 5000, 1100)}},
     {1, 210 * ms},
     1},
    {"request_after_two_timeouts",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {620 * ms, data(out, 1000, 5000, 100)},
      {630 * ms, pure_ack(in, 5000, 1100)}},
     {1, 610 * ms},
     2},
    {"response_to_a_peer",
     {{20 * ms, data(in, 5000, 1000, 100)},
      {220 * ms, data(in, 5000, 1000, 100)},
      {220 * ms + 64 * us, pure_ack(out, 1000, 5100)}},
     {1, 200 * ms + 64 * us},
     1,
     0,
     PODRTT_LEG_POD},
    {"acknowledged_with_later_data", // which is no round trip of its own
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, data(out, 1100, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {230 * ms, pure_ack(in, 5000, 1200)}},
     {1, 210 * ms},
     1},
    {"of_the_last_of_three_segments", // tail loss: the others have arrived
     {{20 * ms, segment(out, 1000, 5000, 1000)},
      {20 * ms, segment(out, 2000, 5000, 1000)},
      {20 * ms, data(out, 3000, 5000, 1000)},
      {30 * ms, pure_ack(in, 5000, 3000)},
      {60 * ms, data(out, 3000, 5000, 1000)},
      {70 * ms, pure_ack(in, 5000, 4000)}},
     {1, 50 * ms},
     1,
     1},
    {"of_all_segments_of_a_request", // sent again one after the other
     {{20 * ms, segment(out, 1000, 5000, 1000)},
      {20 * ms, data(out, 2000, 5000, 1000)},
      {220 * ms, segment(out, 1000, 5000, 1000)},
      {230 * ms, pure_ack(in, 5000, 2000)},
      {230 * ms, data(out, 2000, 5000, 1000)},
      {240 * ms, pure_ack(in, 5000, 3000)}},
     {2, 210 * ms + 220 * ms},
     2},
    {"of_the_first_of_two_writes", // the second waits behind it, and is not sent again
     {{20 * ms, data(out, 1000, 5000, 1000)},
      {21 * ms, data(out, 2000, 5000, 1000)},
      {50 * ms, data(out, 1000, 5000, 1000)},
      {60 * ms, pure_ack(in, 5000, 3000)}},
     {1, 40 * ms},
     1},
    {"with_other_borders_the_second_time", // one large segment, then pieces of it
     {{20 * ms, data(out, 1000, 5000, 3000)},
      {220 * ms, segment(out, 1000, 5000, 1000)},
      {230 * ms, pure_ack(in, 5000, 2000)},
      {230 * ms, segment(out, 2000, 5000, 1000)},
      {230 * ms, data(out, 3000, 5000, 1000)},
      {240 * ms, pure_ack(in, 5000, 4000)}},
     {1, 220 * ms},
     3},
    {"of_a_piece_whose_first_sending_was_not_watched",
     {{20 * ms, data(out, 1000, 5000, 3000)}, // its end arrives
      {60 * ms, segment(out, 2000, 5000, 1000)},
      {70 * ms, pure_ack(in, 5000, 4000)}},
     {},
     1},
    {"of_the_ack_alone", // sent again though it had arrived
     {{20 * ms, data(out, 1000, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {221 * ms, pure_ack(in, 5000, 1100)},
      {231 * ms, pure_ack(in, 5000, 1100)}},
     {1, 201 * ms},
     1},
    {"sent_again_after_its_ack_has_passed", // and was lost behind the veth: nobody waits here
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 1100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {230 * ms, pure_ack(in, 5000, 1100)}},
     {},
     1,
     1},
    {"keep_alives_are_none", // RFC 9293, 3.8.4: an old byte
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 1100)},
      {60 * s, segment(out, 1099, 5000, 1)},
      {60 * s + 10 * ms, pure_ack(in, 5000, 1100)},
      {120 * s, segment(out, 1099, 5000, 1)}},
     {},
     0,
     1},
    {"probes_of_a_closed_window_are_none", // RFC 9293, 3.8.6.1: the next byte, until it is taken
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 1100)},
      {1 * s, segment(out, 1100, 5000, 1)},
      {2 * s, segment(out, 1100, 5000, 1)},
      {4 * s, segment(out, 1100, 5000, 1)},
      {4 * s + 10 * ms, pure_ack(in, 5000, 1101)},
      {5 * s, data(out, 1101, 5000, 100)},
      {5 * s + 10 * ms, pure_ack(in, 5000, 1201)}},
     {},
     0,
     2},
    {"fin_sent_again",
     {{20 * ms, {.way = out, .flags = ACK | FIN, .seq = 1000, .ack = 5000}},
      {220 * ms, {.way = out, .flags = ACK | FIN, .seq = 1000, .ack = 5000}},
      {230 * ms, pure_ack(in, 5000, 1001)}},
     {},
     1},
    {"data_with_fin_sent_again",
     {{20 * ms, {.way = out, .flags = ACK | PSH | FIN, .seq = 1000, .ack = 5000, .length = 100}},
      {220 * ms, {.way = out, .flags = ACK | PSH | FIN, .seq = 1000, .ack = 5000, .length = 100}},
      {230 * ms, pure_ack(in, 5000, 1101)}},
     {1, 210 * ms},
     1},
    // Bulk is watched now and then only; what was sent last is known to a tick, of a millisecond here.
    {"tail_of_bulk_that_no_slot_has_watched",
     bulk() + std::vector<Step>{{23 * ms, pure_ack(in, 5000, 91000)},
                                {230 * ms, data(out, 91000, 5000, 3000)},
                                {240 * ms, pure_ack(in, 5000, 94000)}},
     {1, 220 * ms}, // it was 219
     1},
    {"tail_of_bulk_that_comes_back_too_soon_to_be_told",
     bulk() + std::vector<Step>{{23 * ms, pure_ack(in, 5000, 91000)},
                                {35 * ms, data(out, 91000, 5000, 3000)},
                                {40 * ms, pure_ack(in, 5000, 94000)}},
     {},
     1},
    // What the veth has never seen may have been overtaken, or sent again.
    {"hole_that_is_filled",
     {{20 * ms, data(in, 5100, 1000, 100)},
      {50 * ms, data(in, 5000, 1000, 100)},
      {50 * ms + 64 * us, pure_ack(out, 1000, 5200)}},
     {},
     0,
     0,
     PODRTT_LEG_POD},
    {"hole_that_is_filled_by_a_later_clock",
     {{20 * ms, data(in, 5100, 1000, 100, tsval(720))},
      {50 * ms, data(in, 5000, 1000, 100, tsval(750))},
      {50 * ms + 64 * us, pure_ack(out, 1000, 5200, tsecr(750))}},
     {},
     1,
     0,
     PODRTT_LEG_POD,
     true},
    {"hole_that_is_filled_by_an_earlier_clock", // overtaken
     {{20 * ms, data(in, 5100, 1000, 100, tsval(720))},
      {21 * ms, data(in, 5000, 1000, 100, tsval(719))},
      {21 * ms + 64 * us, pure_ack(out, 1000, 5200, tsecr(719))}},
     {},
     0,
     0,
     PODRTT_LEG_POD,
     true},
    {"hole_behind_what_was_watched_before",
     {{20 * ms, data(in, 5000, 1000, 100, tsval(720))},
      {22 * ms, data(in, 5200, 1000, 100, tsval(722))},
      {23 * ms,
       data(in, 5100, 1000, 100, tsval(721))}, // overtaken, though its clock is later than the first's
      {23 * ms + 64 * us, pure_ack(out, 1000, 5300, tsecr(722))}},
     {},
     0,
     0,
     PODRTT_LEG_POD,
     true},
    {"behind_a_hole_counts_once",
     {{20 * ms, data(in, 5100, 1000, 100, tsval(720))},
      {50 * ms, data(in, 5100, 1000, 100, tsval(750))},
      {51 * ms, data(in, 5000, 1000, 100, tsval(751))},
      {51 * ms + 64 * us, pure_ack(out, 1000, 5200, tsecr(751))}},
     {1, 31 * ms + 64 * us},
     2,
     0,
     PODRTT_LEG_POD,
     true},
    {"after_data_far_ahead", // forged: what follows is not sent again
     {{20 * ms, data(in, 0x01000000, 1000, 100, tsval(600))},
      {30 * ms, data(in, 5000, 1000, 100, tsval(730))},
      {30 * ms + 64 * us, pure_ack(out, 1000, 5100, tsecr(730))},
      {40 * ms, data(in, 5100, 1000, 100, tsval(740))},
      {40 * ms + 64 * us, pure_ack(out, 1000, 5200, tsecr(740))}},
     {},
     0,
     2,
     PODRTT_LEG_POD,
     true},
    {"after_a_hole_that_is_over",
     {{20 * ms, data(in, 5100, 1000, 100)},
      {21 * ms, data(in, 5000, 1000, 100)},
      {21 * ms + 64 * us, pure_ack(out, 1000, 5200)},
      {30 * ms, data(in, 5200, 1000, 100)},
      {31 * ms, segment(in, 5300, 1000, 100)},
      {230 * ms, segment(in, 5200, 1000, 50)},
      {230 * ms + 64 * us, pure_ack(out, 1000, 5400)}},
     {},
     1,
     0,
     PODRTT_LEG_POD},
    {"over_the_wrap_of_the_clock", // 2^32 units of 32 ns
     {{137'430 * ms, data(out, 1000, 5000, 100)},
      {138'430 * ms, data(out, 1000, 5000, 100)},
      {138'440 * ms, pure_ack(in, 5000, 1100)}},
     {1, 1010 * ms},
     1},
};

INSTANTIATE_TEST_SUITE_P(, Recovering, testing::ValuesIn(losses),
                         [](const auto &row) { return row.param.name; });

TEST(RecoveringForLong, IsCountedAsStale)
{
    for (const std::uint64_t after : {65 * s, 127 * s, 138 * s, 900 * s}) {
        Traffic traffic;
        traffic.pass(opened_by(out));
        traffic.pass(4 * ms, data(out, 1000, 5000, 100));
        traffic.pass(after, data(out, 1000, 5000, 100));
        traffic.pass(after + 1 * ms, pure_ack(in, 5000, 1100));
        EXPECT_EQ(traffic.waits(PODRTT_KIND_RECOVERY, PODRTT_LEG_NETWORK), Samples()) << after / s;
        EXPECT_EQ(traffic.drops(PODRTT_DROP_STALE), 1u) << after / s;
    }
}

// What was sent last is known to a jiffy, whose count wraps.
TEST(RecoveringForLong, OfWhatNoSlotHasWatchedIsAbsent)
{
    for (const std::uint64_t after : {66 * s, 102'300 * ms, 204'600 * ms}) {
        Traffic traffic;
        traffic.pass(opened_by(out));
        traffic.pass(bulk());
        traffic.pass(23 * ms, pure_ack(in, 5000, 91000));
        traffic.pass(after, data(out, 91000, 5000, 3000));
        traffic.pass(after + 1 * ms, pure_ack(in, 5000, 94000));
        EXPECT_EQ(traffic.waits(PODRTT_KIND_RECOVERY, PODRTT_LEG_NETWORK), Samples()) << after / ms;
    }
}

TEST(Recovery, OfAConnectionThatIsMetMidStreamCountsFromTheTail)
{
    Traffic traffic;
    traffic.pass(10 * ms, data(out, 1000, 5000, 1000));
    traffic.pass(200 * ms, data(out, 2000, 5000, 1000));
    traffic.pass(210 * ms, pure_ack(in, 5000, 2000));
    traffic.pass(410 * ms, data(out, 2000, 5000, 1000));
    traffic.pass(420 * ms, pure_ack(in, 5000, 3000));
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RECOVERY, PODRTT_LEG_NETWORK), (Samples{1, 220 * ms}));
}

TEST(SentAgain, SynsAreCountedToo)
{
    Traffic traffic;
    traffic.pass(1 * ms, {.way = out, .flags = SYN, .seq = 999});
    traffic.pass(1 * s, {.way = out, .flags = SYN, .seq = 999});
    traffic.pass(3 * s, {.way = out, .flags = SYN, .seq = 999});
    traffic.pass(3 * s + 1 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
    traffic.pass(4 * s, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
    EXPECT_EQ(traffic.count(PODRTT_COUNT_RESENT, PODRTT_LEG_NETWORK), 2u);
    EXPECT_EQ(traffic.count(PODRTT_COUNT_RESENT, PODRTT_LEG_POD), 1u);
}

} // namespace
} // namespace podrtt
