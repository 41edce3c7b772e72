// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/window.h"

#include <gtest/gtest.h>

#include "bpf/user/histogram.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

const SeriesKey web = {PODRTT_KIND_DATA, "shop", "web", PODRTT_LEG_NETWORK, "private"};

Window::Series series(std::uint64_t slow, std::uint64_t fast)
{
    podrtt_histogram histogram = {};
    histogram.bucket[200] = slow;
    histogram.bucket[100] = fast;
    histogram.sum = slow * 1000 + fast;
    return {{web, Histogram(histogram)}};
}

class SlidingWindow : public testing::Test
{
protected:
    Window window_{60s};
    const Window::Clock::time_point start_ = Window::Clock::now();
};

TEST_F(SlidingWindow, IsWhatHasComeWithinIt)
{
    window_.add(series(7, 0), start_); // before anybody looked
    EXPECT_TRUE(window_.recent(60s).empty());
    window_.add(series(7, 3), start_ + 10s);
    window_.add(series(8, 3), start_ + 20s);
    const auto all = window_.recent(60s);
    ASSERT_EQ(all.size(), 1u);
    EXPECT_EQ(all.at(web).count(100, 101), 3u);
    EXPECT_EQ(all.at(web).count(200, 201), 1u);
    EXPECT_EQ(all.at(web).sum(), 1003u);
    EXPECT_EQ(window_.recent(10s).at(web).count(), 1u); // of the last look alone
}

TEST_F(SlidingWindow, ForgetsWhatIsOlder)
{
    window_.add(series(0, 0), start_);
    window_.add(series(0, 5), start_ + 10s);
    for (int i = 2; i <= 8; i++)
        window_.add(series(0, 5), start_ + i * 10s);
    EXPECT_TRUE(window_.recent(60s).empty());
}

TEST_F(SlidingWindow, SaysHowMuchOfItIsKnown)
{
    EXPECT_EQ(window_.known(60s), 0s);
    window_.add(series(0, 0), start_);
    window_.add(series(0, 0), start_ + 2s);
    window_.add(series(0, 0), start_ + 4s);
    EXPECT_EQ(window_.known(60s), 4s);
    EXPECT_EQ(window_.known(2s), 2s);
}

TEST_F(SlidingWindow, CountsNothingOfAPodThatHasBecomeLess)
{
    window_.add(series(9, 9), start_);
    window_.add(series(1, 10), start_ + 2s);
    const auto recent = window_.recent(10s);
    EXPECT_EQ(recent.at(web).count(100, 101), 1u);
    EXPECT_EQ(recent.at(web).count(200, 201), 0u);
}

TEST_F(SlidingWindow, BeginsWithAPodThatIsNew)
{
    window_.add({}, start_);
    window_.add(series(2, 0), start_ + 2s);
    EXPECT_EQ(window_.recent(10s).at(web).count(200, 201), 2u);
}

} // namespace
} // namespace podrtt
