// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/latency_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Series = std::map<SeriesKey, Histogram>;

constexpr std::uint32_t bucket(int exponent)
{
    return static_cast<std::uint32_t>((exponent - PODRTT_MIN_EXPONENT) << PODRTT_SCHEMA);
}

// 100 samples, all of about 2^(exponent) seconds.
Histogram samples(int exponent)
{
    return {0, {{bucket(exponent), 100}}};
}

SeriesKey key(const std::string &pod, podrtt_kind kind, podrtt_leg leg = PODRTT_LEG_NETWORK,
              const std::string &peer = "private")
{
    return {kind, "shop", pod, leg, peer};
}

std::vector<std::string> names(const std::vector<LatencyRow> &rows)
{
    std::vector<std::string> found;
    found.reserve(rows.size());
    for (const auto &row : rows)
        found.push_back(row.name.second);
    return found;
}

// Columns of the screen.
std::size_t width(const std::string &text)
{
    return static_cast<std::size_t>(std::ranges::count_if(
        text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xc0) != 0x80; }));
}

const Series two_pods = {
    {key("calm", PODRTT_KIND_DATA), samples(-2)},     {key("calm", PODRTT_KIND_FLOOR), samples(-8)},
    {key("calm", PODRTT_KIND_RESPONSE), samples(-7)}, {key("slow", PODRTT_KIND_DATA), samples(-10)},
    {key("slow", PODRTT_KIND_FLOOR), samples(-10)},   {key("slow", PODRTT_KIND_DNS), samples(0)}};

TEST(LatencyRows, ComeWithTheWorstFirst)
{
    EXPECT_EQ(names(make_rows(two_pods, {}, {}, Order::worst)), (std::vector<std::string>{"slow", "calm"}));
    EXPECT_EQ(names(make_rows(two_pods, {}, {}, Order::floor)), (std::vector<std::string>{"calm", "slow"}));
    EXPECT_EQ(names(make_rows(two_pods, {}, {}, Order::rtt)), (std::vector<std::string>{"calm", "slow"}));
    EXPECT_EQ(names(make_rows(two_pods, {}, {}, Order::name)), (std::vector<std::string>{"calm", "slow"}));
}

// A delayed acknowledgement is no wait.
TEST(LatencyRows, HaveNoWorstWaitOfRoundTripsAlone)
{
    const auto rows = make_rows({{key("web", PODRTT_KIND_DATA), samples(-4)}}, {}, {}, Order::worst);
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_TRUE(std::isnan(rows[0].worst_wait()));
}

TEST(LatencyRows, TellOfPodsWithoutFigures)
{
    const PodStates pods = {
        {{"shop", "calm"}, ""}, {{"shop", "idle"}, ""}, {{"data", "lost"}, "not measured: why"}};
    const auto rows = make_rows(two_pods, pods, {}, Order::worst);
    ASSERT_EQ(names(rows), (std::vector<std::string>{"slow", "calm", "lost", "idle"}));
    EXPECT_EQ(rows[2].state, "not measured: why");
    EXPECT_EQ(rows[3].state, "idle");
    const TableLayout layout(rows, 80);
    EXPECT_THAT(layout.line(rows[2]), HasSubstr("not measured: why"));
}

TEST(LatencyRows, AreFiltered)
{
    Series series = two_pods;
    series[key("calm", PODRTT_KIND_DATA, PODRTT_LEG_POD)] = samples(-3);
    series[key("calm", PODRTT_KIND_DATA, PODRTT_LEG_NETWORK, "internet")] = samples(-1);
    const PodStates pods = {{{"shop", "calm"}, ""}, {{"shop", "idle"}, ""}};
    EXPECT_EQ(names(make_rows(series, pods, {.text = "ALM"}, Order::name)),
              (std::vector<std::string>{"calm", "calm"}));
    EXPECT_EQ(names(make_rows(series, pods, {.text = "shop/i"}, Order::name)),
              (std::vector<std::string>{"idle"}));
    EXPECT_EQ(names(make_rows(series, pods, {.leg = PODRTT_LEG_POD}, Order::worst)).front(), "calm");
    EXPECT_TRUE(make_rows(series, pods, {.name_space = "data"}, Order::name).empty());
    EXPECT_EQ(make_rows(series, {}, {.pod = "calm"}, Order::name).size(), 2u);
    const auto internet = make_rows(series, {}, {.peer = "internet"}, Order::name);
    ASSERT_EQ(internet.size(), 1u);
    EXPECT_EQ(internet[0].by_kind[PODRTT_KIND_DATA].buckets(), samples(-1).buckets());
    EXPECT_EQ(internet[0].by_kind[PODRTT_KIND_FLOOR].count(), 0u);
}

TEST(LatencyTable, FitsAnyScreen)
{
    Series series = two_pods;
    const std::string longest = std::string(63, 'n') + "/" + std::string(253, 'p');
    series[{PODRTT_KIND_DATA, std::string(63, 'n'), std::string(253, 'p'), PODRTT_LEG_NETWORK, ""}] =
        samples(-5);
    const auto rows = make_rows(series, {}, {}, Order::worst);
    for (std::size_t columns = 40; columns < 300; columns++) {
        const TableLayout layout(rows, columns);
        EXPECT_LE(width(layout.heading()), columns);
        for (const auto &row : rows)
            EXPECT_LE(width(layout.line(row)), columns);
    }
    const TableLayout usual(rows, 80);
    for (const char *column : {"WORST", "RESP", "CONN", "RECOV", "DNS", "RTT", "FLOOR"})
        EXPECT_THAT(usual.heading(), HasSubstr(column));
    EXPECT_THAT(usual.line(rows.back()), Not(HasSubstr(longest)));
    EXPECT_THAT(TableLayout(rows, std::nullopt).line(rows.back()), StartsWith(longest));
}

TEST(ShortDuration, HasThreeDigitsInSixColumns)
{
    EXPECT_EQ(short_duration(12e-6), "12µs");
    EXPECT_EQ(short_duration(999.4e-6), "999µs");
    EXPECT_EQ(short_duration(999.9e-6), "1.00ms");
    EXPECT_EQ(short_duration(9.934e-3), "9.93ms");
    EXPECT_EQ(short_duration(45.67e-3), "45.7ms");
    EXPECT_EQ(short_duration(0.2004), "200ms");
    EXPECT_EQ(short_duration(0.9999), "1.00s");
    EXPECT_EQ(short_duration(63.5), "63.5s");
    EXPECT_EQ(short_duration(std::nan("")), "-");
}

} // namespace
} // namespace podrtt
