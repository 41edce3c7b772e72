// SPDX-License-Identifier: Apache-2.0
//
// The wait for an answer: sequences of segments, and what must be measured of them, by a clock that the
// test sets. Right or absent.
#include <gtest/gtest.h>

#include <algorithm>
#include <string_view>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

struct Exchange {
    const char *name;
    std::vector<Step> steps; // after the handshake; numbers begin at 1000 and 5000
    Samples response;
};

void PrintTo(const Exchange &exchange, std::ostream *stream)
{
    *stream << exchange.name;
}

// The same of the other way round, which is the pod leg's.
Packet turned(Packet packet)
{
    packet.way = packet.way == out ? in : out;
    return packet;
}

class Responding : public testing::TestWithParam<Exchange>
{
};

TEST_P(Responding, LastsFromTheEndOfTheRequestToTheFirstByte)
{
    Traffic traffic;
    traffic.pass(opened_by(out));
    traffic.pass(GetParam().steps);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK), GetParam().response);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_POD), Samples());
}

TEST_P(Responding, IsTheSameForWhoCallsThePod)
{
    Traffic traffic;
    traffic.pass(opened_by(in));
    for (const auto &[at, packet] : GetParam().steps)
        traffic.pass(at, turned(packet));
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_POD), GetParam().response);
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK), Samples());
}

TEST_P(Responding, IsTheSameWithTimestamps)
{
    Traffic traffic;
    traffic.pass(opened_by(out, true));
    for (const auto &[at, packet] : GetParam().steps) {
        Packet stamped = packet;
        const auto tick = static_cast<std::uint32_t>(at / ms);
        stamped.timestamps = Timestamps{tick, tick};
        traffic.pass(at, stamped);
    }
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK), GetParam().response);
}

const std::vector<Exchange> exchanges = {
    {"at_once",
     {{20 * ms, data(out, 1000, 5000, 100)}, {30 * ms, data(in, 5000, 1100, 500)}},
     {1, 10 * ms}},
    {"after_a_delayed_ack",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {60 * ms, pure_ack(in, 5000, 1100)},
      {90 * ms, data(in, 5000, 1100, 500)}},
     {1, 70 * ms}},
    {"of_many_segments_counts_once",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, segment(in, 5000, 1100, 1000)},
      {31 * ms, segment(in, 6000, 1100, 1000)},
      {31 * ms, pure_ack(out, 1100, 7000)},
      {32 * ms, data(in, 7000, 1100, 1000)},
      {33 * ms, pure_ack(out, 1100, 8000)}},
     {1, 10 * ms}},
    {"to_a_request_of_many_segments",
     {{20 * ms, segment(out, 1000, 5000, 1000)},
      {20 * ms, segment(out, 2000, 5000, 1000)},
      {22 * ms, pure_ack(in, 5000, 3000)},
      {22 * ms, data(out, 3000, 5000, 500)},
      {40 * ms, data(in, 5000, 3500, 500)}},
     {1, 18 * ms}},
    {"to_a_request_in_two_writes",
     {{20 * ms, data(out, 1000, 5000, 350)},
      {20 * ms + 20 * us, data(out, 1350, 5000, 350)},
      {22 * ms + 20 * us, data(in, 5000, 1700, 300)}},
     {1, 2 * ms}},
    {"to_a_request_in_two_writes_of_which_the_first_is_acknowledged",
     {{20 * ms, data(out, 1000, 5000, 350)},
      {20 * ms + 10 * us, pure_ack(in, 5000, 1350)},
      {20 * ms + 20 * us, data(out, 1350, 5000, 350)},
      {21 * ms, pure_ack(in, 5000, 1700)},
      {22 * ms + 20 * us, data(in, 5000, 1700, 300)}},
     {1, 2 * ms}},
    {"to_each_request_of_a_connection",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, data(in, 5000, 1100, 500)},
      {40 * ms, data(out, 1100, 5500, 100)},
      {42 * ms, data(in, 5500, 1200, 500)},
      {42 * ms + 100 * us, data(out, 1200, 6000, 100)},
      {42 * ms + 164 * us, data(in, 6000, 1300, 500)}},
     {3, 12 * ms + 64 * us}},
    {"after_a_lost_request",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {230 * ms, data(in, 5000, 1100, 500)}},
     {1, 210 * ms}},
    {"after_a_lost_request_and_an_ack",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {220 * ms, data(out, 1000, 5000, 100)},
      {225 * ms, pure_ack(in, 5000, 1100)},
      {240 * ms, data(in, 5000, 1100, 500)}},
     {1, 220 * ms}},
    {"sent_again", // it was lost behind the veth, or its ACK was
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, data(in, 5000, 1100, 500)},
      {230 * ms, data(in, 5000, 1100, 500)},
      {231 * ms, pure_ack(out, 1100, 5500)}},
     {1, 10 * ms}},
    {"whose_request_is_sent_again_too_late",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, data(in, 5000, 1100, 500)},
      {31 * ms, data(out, 1000, 5000, 100)},
      {32 * ms, data(in, 5500, 1100, 500)}},
     {1, 10 * ms}},
    {"whose_first_segment_is_lost_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, data(in, 6000, 1100, 500)},
      {230 * ms, segment(in, 5000, 1100, 1000)}},
     {}},
    {"of_a_pipeline_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, data(out, 1100, 5000, 100)},
      {30 * ms, data(in, 5000, 1100, 500)},
      {31 * ms, data(in, 5500, 1200, 500)}},
     {}},
    {"of_a_pipeline_that_is_acknowledged_as_a_whole_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, data(out, 1100, 5000, 100)},
      {30 * ms, data(in, 5000, 1200, 500)},
      {31 * ms, data(in, 5500, 1200, 500)}},
     {}},
    {"of_multiplexed_streams_is_absent", // for long: what answers what cannot be known
     {{20 * ms, data(out, 1000, 5000, 100)},
      {25 * ms, data(out, 1100, 5000, 100)},
      {40 * ms, data(in, 5000, 1200, 500)},
      {41 * ms, data(out, 1200, 5500, 100)},
      {45 * ms, data(in, 5500, 1300, 500)},
      {46 * ms, data(out, 1300, 6000, 100)},
      {47 * ms, data(in, 6000, 1400, 500)}},
     {}},
    {"of_a_connection_that_was_multiplexed_counts_after_a_pause",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {25 * ms, data(out, 1100, 5000, 100)},
      {40 * ms, data(in, 5000, 1200, 500)},
      {40 * ms, pure_ack(out, 1200, 5500)},
      {20 * s, data(out, 1200, 5500, 100)},
      {20 * s + 5 * ms, data(in, 5500, 1300, 500)}},
     {1, 5 * ms}},
    {"to_what_was_asked_within_an_answer_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, segment(in, 5000, 1100, 1000)},
      {31 * ms, data(out, 1100, 6000, 100)},
      {32 * ms, segment(in, 6000, 1100, 1000)}, // the first answer goes on
      {33 * ms, segment(in, 7000, 1200, 1000)}},
     {1, 10 * ms}},
    {"to_what_was_asked_before_all_had_come_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, segment(in, 5000, 1100, 1000)},
      {30 * ms, segment(in, 6000, 1100, 1000)},
      {31 * ms, data(out, 1100, 6000, 100)},
      {33 * ms, segment(in, 7000, 1200, 1000)}},
     {1, 10 * ms}},
    {"of_a_pipeline_at_once_is_absent", // each soon after the one before
     {{20 * ms, data(out, 1000, 5000, 100)},
      {20 * ms + 60 * us, data(out, 1100, 5000, 100)},
      {20 * ms + 120 * us, data(out, 1200, 5000, 100)},
      {20 * ms + 180 * us, data(out, 1300, 5000, 100)},
      {22 * ms, data(in, 5000, 1400, 500)}},
     {}},
    {"to_a_large_request_whose_writes_the_window_delays_is_absent", // and does not make a multiplexed one
                                                                    // of it
     {{20 * ms, data(out, 1000, 5000, 3000)},
      {20 * ms, data(out, 4000, 5000, 3000)},
      {20 * ms, data(out, 7000, 5000, 3000)},
      {20 * ms, data(out, 10000, 5000, 3000)},
      {20 * ms, data(out, 13000, 5000, 3000)},
      {20 * ms, data(out, 16000, 5000, 3000)},
      {20 * ms, data(out, 19000, 5000, 3000)},
      {20 * ms, data(out, 22000, 5000, 3000)},
      {20 * ms, data(out, 25000, 5000, 3000)},
      {20 * ms, data(out, 28000, 5000, 3000)},
      {20 * ms, data(out, 31000, 5000, 3000)},
      {20 * ms, data(out, 34000, 5000, 3000)},
      {30 * ms, pure_ack(in, 5000, 19000)},
      {30 * ms, data(out, 37000, 5000, 3000)},
      {40 * ms, data(in, 5000, 40000, 500)},
      {50 * ms, data(out, 40000, 5500, 100)},
      {57 * ms, data(in, 5500, 40100, 500)}},
     {1, 7 * ms}},
    {"of_a_loss_before_the_veth_is_absent", // and is not the pod's
     {{20 * ms, data(out, 2000, 5000, 500)},
      {220 * ms, segment(out, 1000, 5000, 1000)},
      {221 * ms, data(in, 5000, 2500, 500)}},
     {}},
    {"to_half_an_upload_is_absent",
     {{20 * ms, segment(out, 1000, 5000, 1000)},
      {20 * ms, segment(out, 2000, 5000, 1000)},
      {30 * ms, data(in, 5000, 2000, 500)},
      {31 * ms, data(out, 3000, 5500, 1000)},
      {32 * ms, pure_ack(in, 5500, 4000)}},
     {}},
    {"of_a_server_that_speaks_first_is_absent", // and what the client says then is a request
     {{20 * ms, data(in, 5000, 1000, 100)},
      {21 * ms, data(out, 1000, 5100, 100)},
      {25 * ms, data(in, 5100, 1100, 100)}},
     {1, 4 * ms}},
    {"of_a_server_that_speaks_unasked_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, data(in, 5000, 1100, 500)},
      {31 * ms, pure_ack(out, 1100, 5500)},
      {1 * s, data(in, 5500, 1100, 500)},
      {1 * s + 1 * ms, pure_ack(out, 1100, 6000)},
      {2 * s, data(in, 6000, 1100, 500)}},
     {1, 10 * ms}},
    {"to_a_request_with_a_fin",
     {{20 * ms, {.way = out, .flags = ACK | PSH | FIN, .seq = 1000, .ack = 5000, .length = 100}},
      {30 * ms, data(in, 5000, 1101, 500)}},
     {1, 10 * ms}},
    {"to_a_request_that_a_fin_follows",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, {.way = out, .flags = ACK | FIN, .seq = 1100, .ack = 5000}},
      {30 * ms, data(in, 5000, 1101, 500)}},
     {1, 10 * ms}},
    {"to_a_request_that_a_fin_follows_after_its_ack",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, pure_ack(in, 5000, 1100)},
      {22 * ms, {.way = out, .flags = ACK | FIN, .seq = 1100, .ack = 5000}},
      {23 * ms, pure_ack(in, 5000, 1101)},
      {30 * ms, data(in, 5000, 1101, 500)}},
     {1, 10 * ms}},
    {"of_a_fin_alone_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, {.way = in, .flags = ACK | FIN, .seq = 5000, .ack = 1100}}},
     {}},
    {"of_a_reset_is_absent",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {30 * ms, {.way = in, .flags = RST | ACK, .seq = 5000, .ack = 1100}}},
     {}},
    {"of_forged_data_is_absent", // far from where the next byte is expected
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, data(in, 0x70000000, 1100, 500)},
      {22 * ms, data(in, 4000, 1100, 500)}},
     {}},
};

INSTANTIATE_TEST_SUITE_P(, Responding, testing::ValuesIn(exchanges),
                         [](const auto &row) { return row.param.name; });

TEST(RespondingForLong, IsCountedAsStale)
{
    for (const bool acknowledged : {false, true}) {
        for (const std::uint64_t after : {65 * s, 127 * s, 138 * s, 7000 * s, 8797 * s}) {
            Traffic traffic;
            traffic.pass(opened_by(out));
            traffic.pass(4 * ms, data(out, 1000, 5000, 100));
            if (acknowledged)
                traffic.pass(44 * ms, pure_ack(in, 5000, 1100));
            const auto stale = traffic.drops(PODRTT_DROP_STALE);
            traffic.pass(after, data(in, 5000, 1100, 500));
            EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK), Samples()) << after / s;
            EXPECT_GE(traffic.drops(PODRTT_DROP_STALE) - stale, 1u) << after / s;
        }
    }
}

TEST(Response, IsToldByThePortsWhereNoSynWasSeen)
{
    struct Row {
        std::uint16_t pod_port;
        std::uint16_t peer_port;
        std::uint64_t network;
        std::uint64_t pod;
    };
    for (const Row &row :
         {Row{40000, 80, 1, 0}, Row{8080, 50000, 0, 1}, Row{40000, 50000, 0, 0}, Row{8080, 80, 0, 0}}) {
        Traffic traffic;
        const auto pass = [&](std::uint64_t at, Packet packet) {
            packet.pod_port = row.pod_port;
            packet.peer_port = row.peer_port;
            traffic.pass(at, packet);
        };
        for (std::uint32_t i = 0; i < 3; i++) { // the first exchange tells where both stand
            pass((20 + 40 * i) * ms, data(out, 1000 + 100 * i, 5000 + 100 * i, 100));
            pass((30 + 40 * i) * ms, pure_ack(in, 5000 + 100 * i, 1100 + 100 * i));
            pass((35 + 40 * i) * ms, data(in, 5000 + 100 * i, 1100 + 100 * i, 100));
            pass((36 + 40 * i) * ms, pure_ack(out, 1100 + 100 * i, 5100 + 100 * i));
        }
        const std::string ports = std::to_string(row.pod_port) + " " + std::to_string(row.peer_port);
        EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK).count > 0, row.network > 0)
            << ports;
        EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_POD).count > 0, row.pod > 0) << ports;
    }
}

TEST(Response, OfHttp2IsAbsent)
{
    for (const bool preface : {false, true}) {
        Traffic traffic;
        traffic.pass(opened_by(out));
        Bytes first = data(out, 1000, 5000, 100).build();
        if (preface)
            std::ranges::copy(std::string_view("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), first.end() - 100);
        traffic.pass(20 * ms, out, first);
        traffic.pass(30 * ms, data(in, 5000, 1100, 50)); // of the settings
        traffic.pass(40 * ms, data(out, 1100, 5050, 100));
        traffic.pass(50 * ms, data(in, 5050, 1200, 50));
        EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK).count, preface ? 0u : 2u);
    }
}

TEST(Response, IsAbsentWhereBothHaveBegun)
{
    Traffic traffic;
    traffic.pass(1 * ms, {.way = out, .flags = SYN, .seq = 999});
    traffic.pass(2 * ms, {.way = in, .flags = SYN, .seq = 4999});
    traffic.pass(3 * ms, {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000});
    traffic.pass(3 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
    traffic.pass(20 * ms, data(out, 1000, 5000, 100));
    traffic.pass(30 * ms, data(in, 5000, 1100, 100));
    traffic.pass(40 * ms, data(out, 1100, 5100, 100));
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK), Samples());
    EXPECT_EQ(traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_POD), Samples());
}

// An interval thins responses as it thins round trips: by chance.
TEST(Response, HoldsTheInterval)
{
    Traffic traffic(100 * ms);
    traffic.pass(opened_by(out));
    for (std::uint32_t i = 0; i < 2000; i++) {
        traffic.pass((20 + 2 * i) * ms, data(out, 1000 + 100 * i, 5000 + 100 * i, 100));
        traffic.pass((21 + 2 * i) * ms, data(in, 5000 + 100 * i, 1100 + 100 * i, 100));
    }
    const Samples response = traffic.waits(PODRTT_KIND_RESPONSE, PODRTT_LEG_NETWORK);
    EXPECT_GT(response.count, 5u);
    EXPECT_LT(response.count, 400u);
    EXPECT_EQ(response.sum_ns, response.count * ms);
}

} // namespace
} // namespace podrtt
