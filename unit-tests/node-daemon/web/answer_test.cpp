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

TEST(Answers, AreSharedWhileSomebodyHoldsThem)
{
    LatestAnswer latest;
    int made = 0;
    auto make = [&made] { return Answer("text/plain", {std::to_string(++made)}); };
    const auto first = latest.get(make);
    EXPECT_EQ(latest.get(make), first);
    EXPECT_EQ(made, 1);
}

} // namespace
} // namespace podrtt
