// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/duration.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

TEST(Duration, HasUnits)
{
    EXPECT_EQ(parse_duration("5m"), 5min);
    EXPECT_EQ(parse_duration("10ms"), 10ms);
    EXPECT_EQ(parse_duration("1h30m"), 90min);
    EXPECT_EQ(parse_duration("1.5s"), 1500ms);
    EXPECT_EQ(parse_duration("7d"), 168h);
    EXPECT_EQ(parse_duration("15µs"), 15us);
    EXPECT_EQ(parse_duration("15us250ns"), 15250ns);
    EXPECT_EQ(parse_duration("0"), 0s);
}

TEST(Duration, MayGoWithoutOneWhereThatIsSaid)
{
    EXPECT_EQ(parse_duration("300", 1s), 300s);
    EXPECT_EQ(parse_duration("300ms", 1s), 300ms);
    EXPECT_EQ(parse_duration("300"), std::nullopt);
    EXPECT_EQ(parse_duration("1m30", 1s), std::nullopt);
}

TEST(Duration, IsNothingElse)
{
    for (const char *text : {"", "m", "-1s", "1 s", "1sec", "five", "nan", "inf", "infs", "1e9s", "200y",
                             "40000d", "1s,", "0x1s"})
        EXPECT_EQ(parse_duration(text, 1s), std::nullopt) << text;
}

TEST(Duration, IsWrittenInItsLargestUnit)
{
    EXPECT_EQ(format_duration(300s), "5m");
    EXPECT_EQ(format_duration(90s), "90s");
    EXPECT_EQ(format_duration(24h), "1d");
    EXPECT_EQ(format_duration(250ms), "250ms");
    EXPECT_EQ(format_duration(0s), "0s");
}

} // namespace
} // namespace podrtt
