// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/answer.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>

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

// Takes so much of a CPU.
void burn(std::chrono::milliseconds wanted)
{
    const auto end = std::clock() + static_cast<std::clock_t>(wanted.count()) * CLOCKS_PER_SEC / 1000;
    while (std::clock() < end)
        ;
}

TEST(Answers, ThatTakeLongAreMadeOnceASecondAndForgotten)
{
    LatestAnswer latest;
    int made = 0;
    auto make = [&made] { // as that of a full node
        burn(std::chrono::milliseconds(110));
        return Answer("text/plain", {std::to_string(++made), std::string(100000, 'x')});
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

TEST(Answers, ThatAreQuicklyMadeAreNew)
{
    LatestAnswer latest;
    int made = 0;
    for (int asked = 1; asked <= 100; asked++) {
        latest.get([&made] { return Answer("text/plain", {std::to_string(++made)}); });
        EXPECT_EQ(made, asked);
    }
}

} // namespace
} // namespace podrtt
