// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/answer.h"

#include <gtest/gtest.h>

#include <thread>

namespace podrtt
{
namespace
{

TEST(Answers, AreCopiedPieceByPiece)
{
    const Answer answer("text/plain", {"abc", "", "defg"});
    EXPECT_EQ(answer.length, 7u);
    std::string all;
    char piece[2];
    while (const std::size_t size = answer.copy(all.size(), piece, sizeof(piece)))
        all.append(piece, size);
    EXPECT_EQ(all, "abcdefg");
}

// As one of a full node: it takes a tenth of a second to make.
TEST(Answers, ThatTakeLongAreMadeOnceASecondAndForgotten)
{
    LatestAnswer latest;
    int made = 0;
    auto make = [&made] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        return Answer("text/plain", {std::to_string(++made)});
    };
    auto first = latest.get(make);
    const auto time = first->made;
    latest.forget_old(time + std::chrono::milliseconds(999));
    const std::weak_ptr<const Answer> left = first;
    first.reset();
    EXPECT_FALSE(left.expired()); // for who asks next
    latest.forget_old(time + std::chrono::seconds(1));
    EXPECT_TRUE(left.expired());
}

TEST(Answers, AreMadeInATenthOfTheTime)
{
    LatestAnswer latest;
    std::chrono::nanoseconds busy{};
    const auto begin = Answer::Clock::now();
    while (Answer::Clock::now() - begin < std::chrono::milliseconds(500))
        latest.get([&busy] {
            const auto start = Answer::Clock::now();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            busy += Answer::Clock::now() - start;
            return Answer("text/plain", {});
        });
    EXPECT_LT(busy * 8, Answer::Clock::now() - begin + std::chrono::milliseconds(50));
    EXPECT_GT(busy, std::chrono::milliseconds(2)); // but made again
}

} // namespace
} // namespace podrtt
