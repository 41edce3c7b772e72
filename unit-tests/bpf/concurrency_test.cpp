// SPDX-License-Identifier: Apache-2.0
//
// Two CPUs at work on one connection at the same time. The moments in which they can meet
// are short, so this finds what is grossly wrong, not what is wrong once in a million.
#include <gtest/gtest.h>

#include <barrier>
#include <thread>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t rounds = 3000;

Packet data(std::uint32_t seq)
{
    return {.way = Way::from_pod, .flags = ACK | PSH, .seq = seq, .ack = 5000, .length = 100};
}

Packet answer(std::uint32_t ack)
{
    return {.way = Way::to_pod, .flags = ACK, .seq = 5000, .ack = ack};
}

class Concurrency : public testing::Test
{
protected:
    Concurrency()
    {
        traffic_.pass(1 * ms, {.way = Way::from_pod, .flags = SYN, .seq = 999});
        traffic_.pass(2 * ms, {.way = Way::to_pod, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
        traffic_.pass(3 * ms, {.way = Way::from_pod, .seq = 1000, .ack = 5000});
    }

    // Runs both in every round at the same moment.
    template <typename First, typename Second>
    void race(First first, Second second)
    {
        std::barrier meet(2);
        std::thread other([&] {
            for (std::uint32_t i = 0; i < rounds; i++) {
                meet.arrive_and_wait();
                second(i);
                meet.arrive_and_wait();
            }
        });
        for (std::uint32_t i = 0; i < rounds; i++) {
            traffic_.pass(10 * ms + i * ms, data(1000 + 100 * i));
            meet.arrive_and_wait();
            first(i);
            meet.arrive_and_wait();
        }
        other.join();
    }

    std::uint64_t samples() { return traffic_.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}].count; }

    Traffic traffic_;
};

TEST_F(Concurrency, OneAnswerSeenByTwoIsOneSample)
{
    auto acknowledge = [this](std::uint32_t i) {
        traffic_.pass(10 * ms + i * ms + ms / 2, answer(1000 + 100 * (i + 1)));
    };
    race(acknowledge, acknowledge);
    // Exactly one; the second finds the slot free, or that it acknowledges nothing new.
    EXPECT_EQ(samples(), rounds);
}

TEST_F(Concurrency, NoSampleComesFromDataSentAgainMeanwhile)
{
    race(
        [this](std::uint32_t i) { traffic_.pass(10 * ms + i * ms + ms / 2, answer(1000 + 100 * (i + 1))); },
        [this](std::uint32_t i) { traffic_.pass(10 * ms + i * ms + ms / 2, data(1000 + 100 * i)); });
    // The first wins; half a millisecond is the only time there can be.
    const auto all = traffic_.samples()[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}];
    EXPECT_LE(all.count, rounds);
    EXPECT_EQ(all.sum_ns, all.count * ms / 2 / PODRTT_TIME_UNIT_NS * PODRTT_TIME_UNIT_NS);
}

} // namespace
} // namespace podrtt
