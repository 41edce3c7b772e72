// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/answer.h"

#include <gtest/gtest.h>

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

TEST(Answers, AreMadeOnceASecondAndForgotten)
{
    LatestAnswer latest;
    int made = 0;
    auto make = [&made] { return Answer("text/plain", {std::to_string(++made)}); };
    auto first = latest.get(make);
    const auto time = first->made;
    EXPECT_EQ(latest.get(make), first);
    latest.forget_old(time + std::chrono::milliseconds(999));
    EXPECT_EQ(latest.get(make)->made, time);
    EXPECT_EQ(made, 1);
    const std::weak_ptr<const Answer> left = first;
    first.reset();
    EXPECT_FALSE(left.expired()); // for who asks next
    latest.forget_old(time + std::chrono::seconds(1));
    EXPECT_TRUE(left.expired());
}

} // namespace
} // namespace podrtt
