// SPDX-License-Identifier: Apache-2.0
//
// The matching rule: each row is a sequence of segments and the samples that it must
// yield, no more and no fewer, by a clock that the test sets.
#include <gtest/gtest.h>

#include <cstdio>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

struct Sequence {
    const char *name;
    std::vector<Step> steps;
    SamplesBy samples;
    std::size_t flows = 1;
};

void PrintTo(const Sequence &sequence, std::ostream *out_stream)
{
    *out_stream << sequence.name;
}

SamplesBy network(std::uint64_t count, std::uint64_t sum_ns)
{
    return {{{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}, {count, sum_ns}}};
}

SamplesBy handshake(std::uint64_t network_ns, std::uint64_t pod_ns)
{
    return {{{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, network_ns}},
            {{PODRTT_LEG_POD, PODRTT_KIND_HANDSHAKE}, {1, pod_ns}}};
}

SamplesBy operator+(SamplesBy a, const SamplesBy &b)
{
    for (const auto &[key, samples] : b) {
        a[key].count += samples.count;
        a[key].sum_ns += samples.sum_ns;
    }
    return a;
}

// A connection that the pod opens: its data begins at 1000, the peer's at 5000. The
// handshake takes 8 ms on the network leg and 64 µs on the pod's.
std::vector<Step> opened(std::optional<Timestamps> pod = {}, std::optional<Timestamps> peer = {})
{
    std::optional<Timestamps> last = pod;
    if (pod)
        last->tsecr = peer->tsval;
    return {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = pod}},
            {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = peer}},
            {9 * ms + 64 * us, {.way = out, .seq = 1000, .ack = 5000, .timestamps = last}}};
}

const SamplesBy opening = handshake(8 * ms, 64 * us);
const std::vector<Step> opened_ts = opened(Timestamps{100, 0}, Timestamps{700, 100});

class Matching : public testing::TestWithParam<Sequence>
{
};

TEST_P(Matching, YieldsExactlyTheseSamples)
{
    Traffic traffic;
    traffic.pass(GetParam().steps);
    EXPECT_EQ(traffic.samples(), GetParam().samples);
    EXPECT_EQ(traffic.flows(), GetParam().flows);
}

const std::vector<Sequence> connections = {
    {"handshake_of_a_client", opened(), opening},
    {"handshake_with_timestamps", opened_ts, opening},
    {"handshake_of_a_server",
     {{1 * ms, {.way = in, .flags = SYN, .seq = 4999}},
      {2 * ms, {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000}},
      {10 * ms, {.way = in, .seq = 5000, .ack = 1000}}},
     handshake(8 * ms, 1 * ms)},
    {"syn_that_is_refused",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999}},
      {9 * ms, {.way = in, .flags = RST | ACK, .ack = 1000}}},
     {},
     0},
    {"syn_sent_again_without_timestamps_is_ambiguous",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999}},
      {1 * s + 8 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}},
      {1 * s + 9 * ms, {.way = out, .seq = 1000, .ack = 5000}}},
     {{{PODRTT_LEG_POD, PODRTT_KIND_HANDSHAKE}, {1, 1 * ms}}}},
    {"syn_sent_again_with_timestamps_counts_from_the_one_answered",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{1100, 0}}},
      {1 * s + 8 * ms,
       {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = Timestamps{700, 1100}}}},
     {{{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, 8 * ms}}}},
    {"syn_sent_again_but_the_first_is_answered",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{1100, 0}}},
      {1 * s + 8 * ms,
       {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = Timestamps{700, 100}}}},
     {}},
    {"syn_sent_again_with_timestamps_but_answered_without",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{1100, 0}}},
      {1 * s + 8 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}}},
     {}},
    {"syn_with_data_sent_again_without",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 50}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999}},
      {1 * s + 8 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}}},
     {}},
    {"syn_of_an_open_connection_sent_again",
     opened_ts +
         std::vector<Step>{
             {20 * ms, data(out, 1000, 5000, 100, Timestamps{120, 700})},
             {21 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{121, 0}}},
             {30 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 120})},
             {40 * ms, data(out, 1100, 5000, 100, Timestamps{140, 700})},
             {50 * ms, pure_ack(in, 5000, 1200, Timestamps{740, 140})}},
     opening + network(1, 10 * ms)},
    {"syn_with_data_that_is_accepted", // TCP Fast Open
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 50}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1050}},
      {10 * ms, {.way = out, .seq = 1050, .ack = 5000}},
      {20 * ms, data(out, 1050, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 1150)}},
     handshake(8 * ms, 1 * ms) + network(1, 10 * ms)},
    {"syn_with_data_that_is_accepted_in_part",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 50}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1020}},
      {10 * ms, {.way = out, .seq = 1050, .ack = 5000}}},
     handshake(8 * ms, 1 * ms)},
    {"syn_sent_again_within_one_tick_is_ambiguous",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {5 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {9 * ms,
       {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = Timestamps{700, 100}}},
      {10 * ms, {.way = out, .seq = 1000, .ack = 5000, .timestamps = Timestamps{101, 700}}}},
     {{{PODRTT_LEG_POD, PODRTT_KIND_HANDSHAKE}, {1, 1 * ms}}}},
    {"syn_sent_three_times_of_which_the_last_is_told_by_its_tick",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {2 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{1100, 0}}},
      {1 * s + 8 * ms,
       {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = Timestamps{700, 1100}}}},
     {{{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, 8 * ms}}}},
    {"stray_reset_does_not_end_the_opening", // it acknowledges nothing (RFC 9293, 3.10.7.3)
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999}},
      {300 * ms, {.way = in, .flags = RST}},
      {1 * s, {.way = out, .flags = SYN, .seq = 999}},
      {1 * s + 50 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}},
      {1 * s + 51 * ms, {.way = out, .seq = 1000, .ack = 5000}}},
     {{{PODRTT_LEG_POD, PODRTT_KIND_HANDSHAKE}, {1, 1 * ms}}}},
    {"reset_that_acknowledges_something_else_does_not_end_the_opening",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999}},
      {2 * ms, {.way = in, .flags = RST | ACK, .ack = 999}},
      {3 * ms, {.way = in, .flags = RST | ACK, .ack = 1001}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}}},
     {{{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, 8 * ms}}}},
    {"reset_of_a_syn_with_data",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 50}},
      {9 * ms, {.way = in, .flags = RST | ACK, .ack = 1050}}},
     {},
     0},
    {"forged_resets_do_not_end_a_connection", // RFC 5961: only at the next byte exactly
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {21 * ms, {.way = in, .flags = RST, .seq = 5001}},
                                  {22 * ms, {.way = in, .flags = RST, .seq = 4999}},
                                  {23 * ms, {.way = in, .flags = RST | ACK, .seq = 60000, .ack = 1100}},
                                  {24 * ms, {.way = out, .flags = RST, .seq = 0}},
                                  {30 * ms, pure_ack(in, 5000, 1100)}},
     opening + network(1, 10 * ms)},
    {"reset_by_a_peer_that_knows_nothing_of_the_connection", // at what was acknowledged
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {28 * ms, {.way = in, .flags = RST, .seq = 5000}}},
     opening, 0},
    {"reset_behind_data_that_was_not_acknowledged",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {21 * ms, {.way = out, .flags = RST | ACK, .seq = 1100, .ack = 5000}}},
     opening, 0},
    {"data_that_passed_unseen_while_nothing_was_waited_for",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)}, // nothing is waited for
                                  // 1100 to 1300 passes unseen at 40 ms, and a part is lost
                                  {50 * ms, pure_ack(in, 5000, 1200)},
                                  {59 * ms, data(out, 1200, 5000, 100)}, // sent again
                                  {60 * ms, pure_ack(in, 5000, 1300)},   // answers the first
                                  {70 * ms, data(out, 1300, 5000, 100)},
                                  {80 * ms, pure_ack(in, 5000, 1400)}},
     opening + network(2, 20 * ms)},
    {"syn_with_data",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .length = 50}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}},
      {10 * ms, {.way = out, .seq = 1050, .ack = 5000}}},
     handshake(8 * ms, 1 * ms)},
    {"simultaneous_open",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .timestamps = Timestamps{100, 0}}},
      {2 * ms, {.way = in, .flags = SYN, .seq = 4999, .timestamps = Timestamps{700, 0}}},
      {3 * ms,
       {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000, .timestamps = Timestamps{102, 700}}},
      {11 * ms,
       {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .timestamps = Timestamps{709, 102}}}},
     handshake(8 * ms, 1 * ms)},
    {"port_used_again_after_a_reset",
     opened() + std::vector<Step>{{20 * ms, {.way = out, .flags = RST, .seq = 1000}},
                                  {30 * ms, {.way = out, .flags = SYN, .seq = 70000}},
                                  {34 * ms, {.way = in, .flags = SYN | ACK, .seq = 90000, .ack = 70001}},
                                  {36 * ms, {.way = out, .seq = 70001, .ack = 90001}}},
     opening + handshake(4 * ms, 2 * ms)},
    {"port_used_again_without_an_end_of_the_old_connection",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, {.way = out, .flags = SYN, .seq = 70000}},
                                  {34 * ms, {.way = in, .flags = SYN | ACK, .seq = 90000, .ack = 70001}},
                                  {36 * ms, data(out, 70001, 90001, 10)},
                                  {46 * ms, pure_ack(in, 90001, 70011)}},
     opening + handshake(4 * ms, 2 * ms) + network(1, 10 * ms)},
    {"closed_by_fin_is_forgotten",
     opened() + std::vector<Step>{{20 * ms, {.way = out, .flags = FIN | ACK, .seq = 1000, .ack = 5000}},
                                  {28 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1001}},
                                  {29 * ms, {.way = out, .seq = 1001, .ack = 5001}}},
     opening, 0},
    {"data_before_the_second_fin_is_measured",
     opened() + std::vector<Step>{{20 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1000}},
                                  {30 * ms, data(out, 1000, 5001, 100)},
                                  {31 * ms, {.way = out, .flags = FIN | ACK, .seq = 1100, .ack = 5001}},
                                  {40 * ms, pure_ack(in, 5001, 1100)},
                                  {41 * ms, pure_ack(in, 5001, 1101)}},
     opening + network(1, 10 * ms), 0},
    {"data_with_the_last_fin_is_measured",
     opened() +
         std::vector<Step>{
             {20 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1000}},
             {30 * ms, {.way = out, .flags = FIN | PSH | ACK, .seq = 1000, .ack = 5001, .length = 100}},
             {40 * ms, pure_ack(in, 5001, 1101)}},
     opening + network(1, 10 * ms), 0},
    {"half_closed_goes_on_being_measured",
     opened() + std::vector<Step>{{20 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1000}},
                                  {21 * ms, {.way = out, .seq = 1000, .ack = 5001}},
                                  {30 * ms, data(out, 1000, 5001, 100)},
                                  {40 * ms, pure_ack(in, 5001, 1100)}},
     opening + network(1, 10 * ms)},
};

const std::vector<Sequence> acknowledgements = {
    {"request_and_response",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, data(in, 5000, 1100, 500)},
                                  {31 * ms, pure_ack(out, 1100, 5500)}},
     opening + network(1, 10 * ms) + SamplesBy{{{PODRTT_LEG_POD, PODRTT_KIND_DATA}, {1, 1 * ms}}}},
    {"delayed_ack_of_two_segments_measures_the_second",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {25 * ms, data(out, 1100, 5000, 100)},
                                  {35 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(1, 10 * ms)},
    {"ack_of_part_of_a_segment_measures_nothing",
     opened() +
         std::vector<Step>{{20 * ms, data(out, 1000, 5000, 1000)}, {30 * ms, pure_ack(in, 5000, 1500)}},
     opening},
    {"three_segments_are_watched_at_a_time",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {21 * ms, data(out, 1100, 5000, 100)},
                                  {22 * ms, data(out, 1200, 5000, 100)},
                                  {23 * ms, data(out, 1300, 5000, 100)},
                                  {24 * ms, data(out, 1400, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {31 * ms, pure_ack(in, 5000, 1200)},
                                  {32 * ms, pure_ack(in, 5000, 1300)},
                                  {33 * ms, pure_ack(in, 5000, 1400)},
                                  {34 * ms, pure_ack(in, 5000, 1500)}},
     opening + network(3, 30 * ms)},
    {"ack_beyond_a_watched_segment_may_have_waited_for_a_later_one",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {20 * ms, data(out, 1100, 5000, 100)},
                                  {20 * ms, data(out, 1200, 5000, 100)},
                                  {20 * ms, segment(out, 1300, 5000, 100)},
                                  {60 * ms, segment(out, 1400, 5000, 100)},
                                  {70 * ms, pure_ack(in, 5000, 1500)}},
     opening},
    {"end_of_the_last_write_is_watched_of_however_many",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {21 * ms, data(out, 1100, 5000, 100)},
                                  {22 * ms, data(out, 1200, 5000, 100)},
                                  {23 * ms, data(out, 1300, 5000, 100)},
                                  {24 * ms, data(out, 1400, 5000, 100)},
                                  {34 * ms, data(in, 5000, 1500, 100)}},
     opening + network(1, 10 * ms)},
    {"request_in_two_writes_within_one_tick", // its head and its body
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 350, Timestamps{120, 700})},
                                   {20 * ms + 32 * us, data(out, 1350, 5000, 350, Timestamps{120, 700})},
                                   {22 * ms, data(in, 5000, 1700, 300, Timestamps{722, 120})},
                                   {40 * ms, data(out, 1700, 5300, 350, Timestamps{140, 722})},
                                   {40 * ms + 32 * us, data(out, 2050, 5300, 350, Timestamps{140, 722})},
                                   {42 * ms, data(in, 5300, 2400, 300, Timestamps{742, 140})}},
     opening + network(2, 2 * (2 * ms - 32 * us)) +
         SamplesBy{{{PODRTT_LEG_POD, PODRTT_KIND_DATA}, {1, 18 * ms}}}},
    {"request_of_many_segments_within_one_tick", // the last alone ends a write
     opened_ts + std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 1400, Timestamps{120, 700})},
                                   {20 * ms, segment(out, 2400, 5000, 1400, Timestamps{120, 700})},
                                   {20 * ms, segment(out, 3800, 5000, 1400, Timestamps{120, 700})},
                                   {20 * ms, segment(out, 5200, 5000, 1400, Timestamps{120, 700})},
                                   {20 * ms + 64 * us, data(out, 6600, 5000, 400, Timestamps{120, 700})},
                                   {22 * ms, data(in, 5000, 7000, 300, Timestamps{722, 120})}},
     opening + network(1, 2 * ms - 64 * us)},
    {"request_of_many_segments_over_many_ticks",
     opened_ts + std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 1400, Timestamps{120, 700})},
                                   {21 * ms, segment(out, 2400, 5000, 1400, Timestamps{121, 700})},
                                   {22 * ms, segment(out, 3800, 5000, 1400, Timestamps{122, 700})},
                                   {23 * ms, segment(out, 5200, 5000, 1400, Timestamps{123, 700})},
                                   {24 * ms, data(out, 6600, 5000, 400, Timestamps{124, 700})},
                                   {34 * ms, data(in, 5000, 7000, 300, Timestamps{734, 124})}},
     opening + network(1, 10 * ms)},
    {"response_of_many_segments_within_one_tick", // of which receivers acknowledge each second
     opened_ts + std::vector<Step>{{20 * ms, segment(in, 5000, 1000, 1400, Timestamps{720, 100})},
                                   {21 * ms, segment(in, 6400, 1000, 1400, Timestamps{720, 100})},
                                   {22 * ms, pure_ack(out, 1000, 7800, Timestamps{122, 720})},
                                   {22 * ms, segment(in, 7800, 1000, 1400, Timestamps{720, 100})},
                                   {24 * ms, pure_ack(out, 1000, 9200, Timestamps{124, 720})},
                                   {24 * ms, data(in, 9200, 1000, 400, Timestamps{720, 100})},
                                   {27 * ms, pure_ack(out, 1000, 9600, Timestamps{127, 720})}},
     opening + SamplesBy{{{PODRTT_LEG_POD, PODRTT_KIND_DATA}, {3, 6 * ms}}}},
    {"writes_of_bulk_are_watched_now_and_then", // more than 64 KiB before the other end says something; the
                                                // first is
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 1000, Timestamps{120, 700})},
                                   {20 * ms, data(out, 82000 - 1400, 5000, 1400, Timestamps{120, 700})},
                                   {25 * ms, data(out, 82000, 5000, 1000, Timestamps{125, 700})},
                                   {30 * ms, pure_ack(in, 5000, 2000, Timestamps{730, 120})},
                                   {31 * ms, pure_ack(in, 5000, 82000, Timestamps{731, 120})},
                                   {32 * ms, data(out, 83000, 5000, 1000, Timestamps{132, 700})},
                                   {35 * ms, pure_ack(in, 5000, 83000, Timestamps{735, 125})},
                                   {42 * ms, pure_ack(in, 5000, 84000, Timestamps{742, 132})}},
     opening + network(3, 31 * ms)},
    {"request_after_bulk_is_a_request", // the other end has said something
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 1000, Timestamps{120, 700})},
                                   {20 * ms, data(out, 82000 - 1400, 5000, 1400, Timestamps{120, 700})},
                                   {21 * ms, data(in, 5000, 82000, 100, Timestamps{721, 120})},
                                   {22 * ms, data(out, 82000, 5100, 1000, Timestamps{122, 721})},
                                   {24 * ms, pure_ack(in, 5100, 83000, Timestamps{724, 122})}},
     opening + network(2, 3 * ms) + SamplesBy{{{PODRTT_LEG_POD, PODRTT_KIND_DATA}, {1, 1 * ms}}}},
    {"bulk_with_timestamps_is_watched_once_a_tick",
     opened_ts +
         std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 100, Timestamps{120, 700})},
                           {20 * ms + 320 * us, segment(out, 1100, 5000, 100, Timestamps{120, 700})},
                           {21 * ms, segment(out, 1200, 5000, 100, Timestamps{121, 700})},
                           {30 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 120})},
                           {31 * ms, pure_ack(in, 5000, 1200, Timestamps{721, 120})},
                           {32 * ms, pure_ack(in, 5000, 1300, Timestamps{722, 121})}},
     opening + network(2, 21 * ms)},
    {"bulk_of_one_tick_is_not_watched_again_though_it_was_answered",
     opened_ts +
         std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 100, Timestamps{120, 700})},
                           {20 * ms + 160 * us, pure_ack(in, 5000, 1100, Timestamps{720, 120})},
                           {20 * ms + 320 * us, segment(out, 1100, 5000, 100, Timestamps{120, 700})},
                           {20 * ms + 480 * us, pure_ack(in, 5000, 1200, Timestamps{720, 120})}},
     opening + network(1, 160 * us)},
    {"requests_of_one_tick_are_all_watched",
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100, Timestamps{120, 700})},
                                   {20 * ms + 160 * us, pure_ack(in, 5000, 1100, Timestamps{720, 120})},
                                   {20 * ms + 320 * us, data(out, 1100, 5000, 100, Timestamps{120, 700})},
                                   {20 * ms + 480 * us, pure_ack(in, 5000, 1200, Timestamps{720, 120})}},
     opening + network(2, 320 * us)},
    {"bulk_without_timestamps_is_watched_three_at_a_time", // so the last before a pause is, too
     opened() + std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 100)},
                                  {21 * ms, segment(out, 1100, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {31 * ms, pure_ack(in, 5000, 1200)},
                                  {40 * ms, segment(out, 1200, 5000, 100)},
                                  {50 * ms, pure_ack(in, 5000, 1300)}},
     opening + network(3, 30 * ms)},
    {"clock_of_timestamps_that_starts_again_is_no_hindrance",
     opened_ts + std::vector<Step>{{20 * ms, segment(out, 1000, 5000, 100, Timestamps{5, 700})},
                                   {30 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 5})}},
     opening + network(1, 10 * ms)},
    {"slots_are_used_again",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {40 * ms, data(out, 1100, 5000, 100)},
                                  {52 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(2, 22 * ms)},
    {"duplicate_acks_measure_once",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {40 * ms, pure_ack(in, 5000, 1100)}},
     opening + network(1, 10 * ms)},
    {"retransmission_without_timestamps",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {220 * ms, data(out, 1000, 5000, 100)},
                                  {230 * ms, pure_ack(in, 5000, 1100)}},
     opening},
    {"retransmission_with_timestamps_of_one_tick",
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100, Timestamps{120, 700})},
                                   {20 * ms + 500 * us, data(out, 1000, 5000, 100, Timestamps{120, 700})},
                                   {30 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 120})}},
     opening},
    {"retransmission_discards_only_from_there_on",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {21 * ms, data(out, 1100, 5000, 100)},
                                  {25 * ms, data(out, 1100, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {31 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(1, 10 * ms)},
    {"new_data_after_a_retransmission_is_measured",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {220 * ms, data(out, 1000, 5000, 100)},
                                  {230 * ms, pure_ack(in, 5000, 1100)},
                                  {240 * ms, data(out, 1100, 5000, 100)},
                                  {250 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(1, 10 * ms)},
    {"hole_filled_later_discards_what_waited_for_it",
     opened() + std::vector<Step>{{20 * ms, data(out, 1100, 5000, 100)},
                                  {60 * ms, data(out, 1000, 5000, 100)},
                                  {70 * ms, pure_ack(in, 5000, 1200)}},
     opening},
    {"tsecr_beyond_the_probe_answers_something_later",
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100, Timestamps{120, 700})},
                                   {300 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 390})}},
     opening},
    {"tsecr_of_an_earlier_segment_is_what_a_delayed_ack_carries",
     opened_ts + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100, Timestamps{120, 700})},
                                   {25 * ms, data(out, 1100, 5000, 100, Timestamps{125, 700})},
                                   {35 * ms, pure_ack(in, 5000, 1200, Timestamps{720, 120})}},
     opening + network(1, 10 * ms)},
    {"keep_alive_probe_measures_nothing",
     opened() + std::vector<Step>{{20 * ms, data(out, 999, 5000, 1)},
                                  {30 * ms, pure_ack(in, 5000, 1000)},
                                  {40 * ms, pure_ack(out, 999, 5000)},
                                  {50 * ms, pure_ack(in, 5000, 1000)}},
     opening},
    {"zero_window_probe_of_a_byte_measures_nothing",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)},
                                  {250 * ms, data(out, 1100, 5000, 1)},
                                  {260 * ms, pure_ack(in, 5000, 1100)},
                                  {450 * ms, data(out, 1100, 5000, 1)},
                                  {460 * ms, pure_ack(in, 5000, 1100)},
                                  {600 * ms, pure_ack(in, 5000, 1100)}, // the window is open again
                                  {601 * ms, data(out, 1100, 5000, 100)},
                                  {612 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(2, 21 * ms)},
    {"answer_after_the_largest_bucket_is_dropped",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {20 * ms + 65 * s, pure_ack(in, 5000, 1100)}},
     opening},
};

// A connection that was there before the programs: no handshake is seen.
const std::vector<Sequence> irregularities = {
    {"pure_acks_of_an_unknown_connection_take_no_room", {{1 * ms, pure_ack(out, 1000, 5000)}}, {}, 0},
    {"first_data_seen_may_be_a_retransmission",
     {{20 * ms, data(out, 1000, 5000, 100)}, {30 * ms, pure_ack(in, 5000, 1100)}},
     {}},
    {"mid_stream_starts_with_data_after_the_first_ack",
     {{20 * ms, data(out, 1000, 5000, 100)},
      {21 * ms, data(out, 1100, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 1100)},
      {40 * ms, data(out, 1200, 5000, 100)},
      {50 * ms, pure_ack(in, 5000, 1300)}},
     network(1, 10 * ms)},
    {"ack_of_data_never_seen_starts_again",
     opened() + std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1900)},
                                  {40 * ms, data(out, 1900, 5000, 100)},
                                  {50 * ms, pure_ack(in, 5000, 2000)},
                                  {60 * ms, data(out, 2000, 5000, 100)},
                                  {67 * ms, pure_ack(in, 5000, 2100)}},
     opening + network(1, 7 * ms)},
    {"forged_data_far_ahead_is_passed_over",
     opened() + std::vector<Step>{{15 * ms, data(out, 0x50000000, 5000, 100)},
                                  {20 * ms, data(out, 1000, 5000, 100)},
                                  {30 * ms, pure_ack(in, 5000, 1100)}},
     opening + network(1, 10 * ms)},
    {"forged_syn_ahead_is_recovered_from",
     opened() + std::vector<Step>{{15 * ms, {.way = out, .flags = SYN, .seq = 0x70000000}},
                                  {20 * ms, pure_ack(in, 5000, 1000)},
                                  {30 * ms, data(out, 1000, 5000, 100)},
                                  {40 * ms, pure_ack(in, 5000, 1100)},
                                  {50 * ms, data(out, 1100, 5000, 100)},
                                  {59 * ms, pure_ack(in, 5000, 1200)}},
     opening + network(1, 9 * ms)},
    {"sequence_numbers_wrap",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 0xffffffcd}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 0xffffffce}},
      {9 * ms + 64 * us, {.way = out, .seq = 0xffffffce, .ack = 5000}},
      {20 * ms, data(out, 0xffffffce, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 50)},
      {40 * ms, data(out, 50, 5000, 100)},
      {51 * ms, pure_ack(in, 5000, 150)}},
     opening + network(2, 21 * ms)},
    {"sequence_number_zero_ends_a_probe",
     {{1 * ms, {.way = out, .flags = SYN, .seq = 0xffffff9b}},
      {9 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 0xffffff9c}},
      {9 * ms + 64 * us, {.way = out, .seq = 0xffffff9c, .ack = 5000}},
      {20 * ms, data(out, 0xffffff9c, 5000, 100)},
      {30 * ms, pure_ack(in, 5000, 0)}},
     opening + network(1, 10 * ms)},
    {"tsvals_wrap",
     opened(Timestamps{0xfffffff0, 0}, Timestamps{700, 0xfffffff0}) +
         std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100, Timestamps{3, 700})},
                           {30 * ms, pure_ack(in, 5000, 1100, Timestamps{720, 0xfffffff8})}},
     opening + network(1, 10 * ms)},
    {"time_wraps_between_data_and_ack",
     opened() + std::vector<Step>{{(1ull << 37) - 5 * ms, data(out, 1000, 5000, 100)},
                                  {(1ull << 37) + 5 * ms, pure_ack(in, 5000, 1100)}},
     opening + network(1, 10 * ms)},
    {"ack_number_counts_only_with_the_ack_flag",
     opened() +
         std::vector<Step>{{20 * ms, data(out, 1000, 5000, 100)},
                           {30 * ms, {.way = in, .flags = PSH, .seq = 5000, .ack = 1100, .length = 1}}},
     opening},
};

template <typename Row>
std::string row_name(const testing::TestParamInfo<Row> &row)
{
    return row.param.name;
}

INSTANTIATE_TEST_SUITE_P(Connections, Matching, testing::ValuesIn(connections), row_name<Sequence>);
INSTANTIATE_TEST_SUITE_P(Acknowledgements, Matching, testing::ValuesIn(acknowledgements),
                         row_name<Sequence>);
INSTANTIATE_TEST_SUITE_P(Irregularities, Matching, testing::ValuesIn(irregularities), row_name<Sequence>);

TEST(Stale, AnswerIsCounted)
{
    Traffic traffic;
    traffic.pass(opened());
    traffic.pass(20 * ms, data(out, 1000, 5000, 100));
    traffic.pass(20 * ms + 65 * s, pure_ack(in, 5000, 1100));
    traffic.pass(90 * s, {.way = out, .flags = RST, .seq = 1100}); // records the floors
    EXPECT_EQ(traffic.drops(PODRTT_DROP_STALE), 1u);
    EXPECT_EQ(traffic.floors(PODRTT_LEG_NETWORK), (Samples{1, 8 * ms})); // the handshake's alone
}

// The clock of probes wraps after 137 s: what is older must not read as what is left of it.
TEST(Stale, AnswerAfterTheClocksWrapIsCounted)
{
    for (const std::uint64_t after : {100 * s, 138 * s, 149 * s, 300 * s, 1000 * s}) {
        Traffic traffic;
        traffic.pass(opened());
        traffic.pass(20 * ms, data(out, 1000, 5000, 100));
        traffic.pass(20 * ms + after, pure_ack(in, 5000, 1100));
        EXPECT_EQ(traffic.drops(PODRTT_DROP_STALE), 1u) << after / s << " s";
        EXPECT_EQ(traffic.samples(), opening) << after / s << " s";
    }
}

TEST(Stale, AnswerWithinAMinuteIsASample)
{
    for (const std::uint64_t start : {1 * s, 34 * s, 68 * s, 137 * s}) {
        Traffic traffic;
        for (const auto &[at, packet] : opened())
            traffic.pass(start + at, packet);
        traffic.pass(start + 1 * s, data(out, 1000, 5000, 100));
        traffic.pass(start + 61 * s, pure_ack(in, 5000, 1100));
        EXPECT_EQ(traffic.samples(), opening + network(1, 60 * s)) << start / s << " s";
    }
}

using Connections =
    std::array<std::uint64_t, PODRTT_MATCHINGS>; // timestamps, sequence, none by the part of the peer

Connections connections_of(const std::vector<Step> &steps)
{
    Traffic traffic;
    traffic.pass(steps);
    return traffic.connections();
}

TEST(ConnectionCounts, TellHowAnswersAreMatched)
{
    EXPECT_EQ(connections_of(opened_ts), (Connections{1, 0, 0}));
    EXPECT_EQ(connections_of(opened()), (Connections{0, 1, 0}));
}

TEST(ConnectionCounts, LeaveOutWhatIsNotAnswered)
{
    EXPECT_EQ(connections_of({{1 * ms, {.way = out, .flags = SYN, .seq = 999}}}), Connections());
}

TEST(ConnectionCounts, HaveOneThatWasMetMidStreamOnce)
{
    EXPECT_EQ(connections_of({{1 * ms, data(out, 1000, 5000, 100)},
                              {2 * ms, data(in, 5000, 1100, 100)},
                              {3 * ms, data(out, 1100, 5100, 100)},
                              {4 * ms, data(in, 5100, 1200, 100)}}),
              (Connections{0, 1, 0}));
    // Not before the other end has answered.
    EXPECT_EQ(connections_of({{1 * ms, data(out, 1000, 5000, 100)}, {2 * ms, data(out, 1100, 5000, 100)}}),
              Connections());
}

TEST(ConnectionCounts, HaveOneThatIsAbortedOnce)
{
    auto steps = opened_ts;
    for (std::uint32_t i = 0; i < 10; i++) {
        const std::uint32_t seq = 5000 + 100 * i;
        steps.push_back({(20 + i) * ms, segment(in, seq, 1000, 100, Timestamps{720, 100})});
        steps.push_back({(20 + i) * ms, {.way = out, .flags = RST, .seq = 1000}});
    }
    EXPECT_EQ(connections_of(steps), (Connections{1, 0, 0}));
}

TEST(ConnectionCounts, HaveTwoOnTheSamePorts)
{
    auto again = opened();
    for (auto &[at, packet] : again) {
        at += 100 * ms;
        packet.seq += 0x10000000;
        packet.ack += packet.ack ? 0x10000000 : 0;
    }
    EXPECT_EQ(connections_of(opened() + again), (Connections{0, 2, 0}));
}

// What stands before and behind the timestamps of a SYN.
struct SynOptions {
    const char *name;
    Bytes before, behind;
};

void PrintTo(const SynOptions &options, std::ostream *stream)
{
    *stream << options.name;
}

class TimestampsOfSyn : public testing::TestWithParam<SynOptions>
{
protected:
    Bytes options(Timestamps timestamps) const
    {
        Bytes bytes = GetParam().before;
        bytes.insert(bytes.end(), {8, 10});
        put(bytes, timestamps.tsval, 4);
        put(bytes, timestamps.tsecr, 4);
        bytes.insert(bytes.end(), GetParam().behind.begin(), GetParam().behind.end());
        return bytes;
    }
};

// Only they tell that the second of two SYNs is answered.
TEST_P(TimestampsOfSyn, AreFound)
{
    Traffic traffic;
    traffic.pass(1 * ms, {.way = out, .flags = SYN, .seq = 999, .tcp_options = options({100, 0})});
    traffic.pass(1 * s, {.way = out, .flags = SYN, .seq = 999, .tcp_options = options({1100, 0})});
    traffic.pass(
        1 * s + 8 * ms,
        {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .tcp_options = options({700, 1100})});
    EXPECT_EQ((traffic.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}]), (Samples{1, 8 * ms}));
    EXPECT_EQ(traffic.connections(), (Connections{1, 0, 0}));
}

INSTANTIATE_TEST_SUITE_P(Layouts, TimestampsOfSyn,
                         testing::Values(SynOptions{"linux", {2, 4, 5, 180, 4, 2}, {1, 3, 3, 7}},
                                         SynOptions{"nothing_behind", {2, 4, 5, 180, 4, 2}, {}},
                                         SynOptions{"without_sack", {2, 4, 5, 180, 1, 1}, {}},
                                         SynOptions{"bsd", {2, 4, 5, 180, 1, 3, 3, 6, 4, 2}, {}},
                                         SynOptions{"first", {}, {1, 1, 2, 4, 5, 180}}),
                         row_name<SynOptions>);

// Of the usual layout, but of another length, or another kind in its place.
TEST(ConnectionCounts, AreNotDeceivedByWhatLooksLikeTimestamps)
{
    for (const Bytes &head : {Bytes{2, 4, 5, 180, 4, 2, 8, 6}, Bytes{2, 4, 5, 180, 4, 2, 9, 10}}) {
        Bytes options = head;
        options.resize(16, 1);
        EXPECT_EQ(
            connections_of(
                {{1 * ms, {.way = out, .flags = SYN, .seq = 999, .tcp_options = options}},
                 {2 * ms,
                  {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000, .tcp_options = options}}}),
            (Connections{0, 1, 0}));
    }
}

// As a scan or an answer to forged SYNs brings them.
TEST(ConnectionCounts, LeaveOutStrayAnswers)
{
    EXPECT_EQ(connections_of({{1 * ms, {.way = in, .flags = SYN | ACK, .seq = 4999, .ack = 1000}},
                              {1 * ms, {.way = out, .flags = RST, .seq = 1000}}}),
              Connections());
}

// Anybody can send them, and the pod does not answer what has a wrong checksum.
TEST(ConnectionCounts, AreNotMovedByForgedPackets)
{
    std::vector<Step> steps;
    for (std::uint16_t i = 0; i < 6; i++) {
        steps.push_back(
            {1 * ms,
             {.way = in, .flags = SYN, .seq = 999, .pod_port = static_cast<std::uint16_t>(1000 + i)}});
        steps.push_back(
            {2 * ms,
             {.way = in, .seq = 1000, .ack = 5000, .pod_port = static_cast<std::uint16_t>(1000 + i)}});
    }
    EXPECT_EQ(connections_of(steps), Connections());
}

TEST(ConnectionCounts, TellOfADirectionThatPassesUnseen)
{
    Connections one_way = {};
    one_way[PODRTT_MATCHING_NONE + (2 ^ 1) % PODRTT_PEER_PARTS] = 1; // the peer is 192.0.2.1
    EXPECT_EQ(connections_of({{1 * ms, {.way = out, .flags = SYN, .seq = 999}},
                              {9 * ms, pure_ack(out, 1000, 5000)},
                              {9 * ms, data(out, 1000, 5000, 100)},
                              {19 * ms, data(out, 1100, 5100, 100)}}),
              one_way);
    EXPECT_EQ(connections_of({{1 * ms, {.way = out, .flags = SYN | ACK, .seq = 999, .ack = 5000}},
                              {9 * ms, data(out, 1000, 5100, 100)}}),
              one_way);
}

// The peer's FIN is acknowledged twice, because the first ACK was lost behind the veth.
TEST(Fin, SentAgainAfterItsAckDoesNotKeepTheFlow)
{
    Traffic traffic;
    traffic.pass(opened());
    traffic.pass(20 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1000});
    traffic.pass(21 * ms, pure_ack(out, 1000, 5001));
    traffic.pass(40 * ms, {.way = in, .flags = FIN | ACK, .seq = 5000, .ack = 1000});
    traffic.pass(41 * ms, pure_ack(out, 1000, 5001));
    traffic.pass(50 * ms, {.way = out, .flags = FIN | ACK, .seq = 1000, .ack = 5001});
    traffic.pass(60 * ms, pure_ack(in, 5001, 1001));
    EXPECT_EQ(traffic.flows(), 0u);
    EXPECT_EQ(traffic.floors(PODRTT_LEG_NETWORK), (Samples{1, 8 * ms}));
}

// Requests of 1 ms each, one every 4 ms.
Samples sampled(std::uint64_t interval_ns, unsigned seconds = 1)
{
    Traffic traffic(interval_ns);
    std::uint32_t seq = 1000;
    traffic.pass(opened());
    for (std::uint64_t at = 1 * s; at < (1 + seconds) * s; at += 4 * ms) {
        traffic.pass(at, data(out, seq, 5000, 100));
        seq += 100;
        traffic.pass(at + 1 * ms, pure_ack(in, 5000, seq));
    }
    return traffic.samples().at({PODRTT_LEG_NETWORK, PODRTT_KIND_DATA});
}

// A stream of small messages that are acknowledged at once, a hundred in each jiffy of a millisecond.
TEST(Stream, IsWatchedAFewTimesInAJiffy)
{
    Traffic traffic;
    std::uint32_t seq = 1000;
    traffic.pass(opened());
    for (std::uint64_t at = 1 * s; at < 1 * s + 10 * ms; at += 10 * us) {
        traffic.pass(at, data(out, seq, 5000, 100));
        seq += 100;
        traffic.pass(at + 5 * us, pure_ack(in, 5000, seq));
    }
    const auto samples = traffic.samples().at({PODRTT_LEG_NETWORK, PODRTT_KIND_DATA});
    EXPECT_EQ(samples.count, 80u);
    EXPECT_NEAR(static_cast<double>(samples.sum_ns), 80.0 * 5 * us, 80.0 * 32);
    // Requests of the same number are each a sample.
    std::uint32_t answered = 5000;
    for (std::uint64_t at = 2 * s; at < 2 * s + 10 * ms; at += 10 * us) {
        traffic.pass(at, data(out, seq, answered, 100));
        seq += 100;
        traffic.pass(at + 5 * us, data(in, answered, seq, 100));
        answered += 100;
    }
    EXPECT_EQ(traffic.samples().at({PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}).count, 80u + 1000u);
}

TEST(SampleInterval, OfZeroTakesEveryRequest)
{
    EXPECT_EQ(sampled(0), (Samples{250, 250 * ms}));
}

// Many requests, each with the time that it takes: bursts of ten after pauses, of which the first is slow.
struct Requests {
    std::uint64_t slow = 0, quick = 0; // that were sampled
};

Requests sampled_of_bursts(std::uint64_t interval_ns, unsigned bursts)
{
    Traffic traffic(interval_ns);
    std::uint32_t seq = 1000;
    traffic.pass(opened());
    for (unsigned burst = 0; burst < bursts; burst++) {
        for (unsigned i = 0; i < 10; i++) {
            const std::uint64_t at = 1 * s + burst * 100 * ms + i * 2 * ms;
            traffic.pass(at, data(out, seq, 5000, 100));
            seq += 100;
            traffic.pass(at + (i == 0 ? 1024 * us : 64 * us), pure_ack(in, 5000, seq));
        }
    }
    const auto samples = traffic.samples().at({PODRTT_LEG_NETWORK, PODRTT_KIND_DATA});
    const std::uint64_t slow = (samples.sum_ns - samples.count * 64 * us) / (960 * us);
    return {slow, samples.count - slow};
}

// The first after a pause is one of ten, and must be one of ten samples.
TEST(SampleInterval, ChoosesByChanceAndNotWhatComesAfterAPause)
{
    const Requests all = sampled_of_bursts(0, 100);
    EXPECT_EQ(all.slow, 100u);
    EXPECT_EQ(all.quick, 900u);
    const Requests chosen = sampled_of_bursts(20 * ms, 4000);
    const double share = static_cast<double>(chosen.slow) / static_cast<double>(chosen.slow + chosen.quick);
    std::printf("%lu of %lu samples are of those after a pause\n", chosen.slow, chosen.slow + chosen.quick);
    EXPECT_GT(chosen.slow + chosen.quick, 1000u);
    EXPECT_GT(share, 0.07);
    EXPECT_LT(share, 0.13);
}

TEST(SampleInterval, SaysHowManySamplesThereAreAbout)
{
    for (const auto &[interval, expected] : {std::pair(10 * ms, 100u), std::pair(100 * ms, 10u)}) {
        const double a_second = static_cast<double>(sampled(interval, 20).count) / 20;
        EXPECT_GT(a_second, expected / 8.0) << interval / ms << " ms";
        EXPECT_LT(a_second, expected * 2.0) << interval / ms << " ms";
    }
}

// A connection that was busy and asks seldom now is sampled again before long.
TEST(SampleInterval, OfABusyConnectionDoesNotLastWhenItIsNoLongerBusy)
{
    Traffic traffic(10 * ms);
    std::uint32_t seq = 1000;
    traffic.pass(opened());
    const auto ask = [&](std::uint64_t at) {
        traffic.pass(at, data(out, seq, 5000, 100));
        seq += 100;
        traffic.pass(at + 64 * us, pure_ack(in, 5000, seq));
    };
    const auto count = [&traffic] {
        return traffic.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}].count;
    };
    for (int i = 0; i < 20000; i++)
        ask(1 * s + i * 100 * us);
    const auto busy = count();
    EXPECT_LT(busy, 2000u);
    for (int i = 0; i < 50; i++)
        ask(10 * s + i * s);
    EXPECT_GE(count() - busy, 20u);
}

class Floor : public testing::Test
{
protected:
    Floor() { traffic_.pass(opened()); }

    // A round trip of the network leg that begins at `at_ns`.
    void round_trip(std::uint64_t at_ns, std::uint64_t lasts_ns)
    {
        traffic_.pass(at_ns, data(out, seq_, 5000, 100));
        seq_ += 100;
        traffic_.pass(at_ns + lasts_ns, pure_ack(in, 5000, seq_));
    }

    Traffic traffic_;
    std::uint32_t seq_ = 1000;
};

TEST_F(Floor, IsRecordedByTheFirstSampleAfterTheWindow)
{
    round_trip(1 * s, 10 * ms);
    round_trip(2 * s, 5 * ms); // less than the handshake
    round_trip(3 * s, 20 * ms);
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_NETWORK), Samples());
    round_trip(11 * s, 30 * ms);
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_NETWORK), (Samples{1, 5 * ms}));
}

TEST_F(Floor, OfTheHandshakeAloneIsRecordedWhenTheConnectionEnds)
{
    traffic_.pass(2 * s, {.way = out, .flags = RST, .seq = 1000});
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_NETWORK), (Samples{1, 8 * ms}));
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_POD), (Samples{1, 64 * us}));
}

TEST_F(Floor, StartsAnewInEachWindow)
{
    round_trip(1 * s, 6400 * us);
    round_trip(12 * s, 32 * ms);
    round_trip(24 * s, 64 * ms);
    EXPECT_EQ(traffic_.floors(PODRTT_LEG_NETWORK), (Samples{2, 6400 * us + 32 * ms}));
}

} // namespace
} // namespace podrtt
