// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/retirement.h"

#include <unistd.h>

#include <cstdlib>

#include "bpf/user/histogram.h"
#include "node-daemon/export/snapshot.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

class Totals : public PinnedMaps
{
protected:
    std::uint64_t namespace_samples()
    {
        auto snapshot = Snapshot::take(*maps_);
        EXPECT_TRUE(snapshot);
        std::uint64_t count = 0;
        for (const auto &[key, histogram] : snapshot->namespace_series)
            count += histogram.count();
        return count;
    }
};

TEST_F(Totals, RetiredPodLeavesItsSamplesToItsNamespace)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web", 1)));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD), samples(4)));
    ASSERT_TRUE(maps_->histograms.update(key(6), samples(100))); // another pod's

    ASSERT_TRUE(retire_pod(*maps_, pins_, 5, pod("shop", "web", 1)));
    EXPECT_FALSE(*maps_->pods.lookup(5));
    EXPECT_FALSE(*maps_->histograms.lookup(key(5)));
    EXPECT_TRUE(*maps_->histograms.lookup(key(6)));
    EXPECT_EQ(namespace_samples(), 7u);
}

TEST_F(Totals, AddUpOverPods)
{
    for (std::uint32_t id = 1; id <= 3; id++) {
        ASSERT_TRUE(maps_->pods.update(id, pod("shop", "web", 1)));
        ASSERT_TRUE(maps_->histograms.update(key(id), samples(id)));
        ASSERT_TRUE(retire_pod(*maps_, pins_, id, pod("shop", "web", 1)));
    }
    auto total = maps_->totals.lookup(total_key(pod("shop", ""), key(0)));
    ASSERT_TRUE(total && *total);
    EXPECT_EQ(sample_count(**total), 6u);
    EXPECT_EQ((*total)->sum, 6000u);
}

TEST_F(Totals, WithoutRoomForANamespaceGoIntoThatOfAllOthers)
{
    // "~other" is there from the first move on.
    ASSERT_TRUE(maps_->pods.update(1, pod("first", "web", 1)));
    ASSERT_TRUE(maps_->histograms.update(key(1), samples(1)));
    ASSERT_TRUE(retire_pod(*maps_, pins_, 1, pod("first", "web", 1)));
    for (int i = 0; maps_->totals.update(total_key(pod("n" + std::to_string(i), ""), key(0)), samples(1));
         i++)
        ;
    ASSERT_TRUE(maps_->pods.update(5, pod("late", "web", 1)));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    auto retired = retire_pod(*maps_, pins_, 5, pod("late", "web", 1));
    ASSERT_TRUE(retired) << retired.error().message();
    auto other = maps_->totals.lookup(total_key(pod("~other", ""), key(0)));
    ASSERT_TRUE(other && *other);
    EXPECT_EQ(sample_count(**other), 3u);
    EXPECT_FALSE((*maps_->journal.lookup(0))->move);
}

TEST_F(Totals, MergedPodLeavesItsSamplesToTheOther)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->pods.update(6, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(6), samples(4)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD), samples(5)));
    ASSERT_TRUE(merge_pod(*maps_, pins_, 5, 6));
    EXPECT_FALSE(*maps_->pods.lookup(5));
    EXPECT_EQ(sample_count(**maps_->histograms.lookup(key(6))), 7u);
    EXPECT_EQ(sample_count(**maps_->histograms.lookup(key(6, PODRTT_LEG_POD))), 5u);
    EXPECT_FALSE(*maps_->histograms.lookup(key(5)));
}

// What a daemon does that is killed in the middle: run by the test below, in its namespaces.
TEST(DISABLED_Move, Retires)
{
    const Pins pins("/sys/fs/bpf/podrtt");
    auto maps = Maps::open(pins);
    ASSERT_TRUE(maps);
    ASSERT_TRUE(finish_interrupted_move(*maps, pins));
    auto pod = maps->pods.lookup(5);
    ASSERT_TRUE(pod && *pod);
    ASSERT_TRUE(retire_pod(*maps, pins, 5, **pod));
}

// The daemon may be killed at any point; the next one goes on from what it finds.
TEST_F(Totals, KilledAtAnyCallOfTheKernelLoseNothingAndCountNothingTwice)
{
    const auto total = total_key(pod("shop", "web"), key(5));
    constexpr int more_calls_than_there_are = 200;
    int killed = 0;
    for (int call = 1; call < more_calls_than_there_are; call++) {
        ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web", 1)));
        ASSERT_TRUE(maps_->totals.update(total, samples(10)));
        ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
        ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD), samples(4)));
        const std::string command =
            "PODRTT_TEST_HERE=1 ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=bpf -e "
            "inject=bpf:signal=SIGKILL:when=" +
            std::to_string(call) + " /proc/" + std::to_string(getpid()) +
            "/exe --gtest_filter=DISABLED_Move.Retires --gtest_also_run_disabled_tests >/dev/null";
        const bool finished = std::system(command.c_str()) == 0;
        killed += !finished;
        ASSERT_TRUE(finish_interrupted_move(*maps_, pins_));
        if (*maps_->pods.lookup(5)) {
            ASSERT_TRUE(retire_pod(*maps_, pins_, 5, pod("shop", "web", 1)));
        }
        ASSERT_EQ(namespace_samples(), 17u) << "killed at call " << call;
        EXPECT_FALSE((*maps_->journal.lookup(0))->move);
        const auto keys = maps_->totals.keys();
        for (const auto &left : *keys)
            ASSERT_TRUE(maps_->totals.erase(left));
        if (finished)
            break;
    }
    EXPECT_GT(killed, 20);
    EXPECT_LT(killed, more_calls_than_there_are - 1);
}

} // namespace
} // namespace podrtt
