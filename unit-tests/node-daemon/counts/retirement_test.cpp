// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/retirement.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

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

// As that of a StatefulSet which has come back under its name.
TEST_F(Totals, MergedPodLeavesItsSamplesToOneThatIsBeingMeasured)
{
    podrtt_pod older = pod("data", "db-0", 1), newer = pod("data", "db-0", 0);
    older.created = 100;
    newer.created = 200;
    ASSERT_TRUE(maps_->pods.update(5, older));
    ASSERT_TRUE(maps_->pods.update(6, newer));
    podrtt_histogram many = {};
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++)
        many.bucket[i] = 1;
    ASSERT_TRUE(maps_->histograms.update(key(5), many));
    std::atomic<bool> goes_on = true;
    std::uint64_t counted = 0;
    std::thread programs([&] {
        for (std::uint32_t i = 0; goes_on; i++, counted++)
            (void)maps_->histograms.count(key(6), i % PODRTT_BUCKETS, 1);
    });
    for (int i = 0; i < 200; i++) {
        ASSERT_TRUE(maps_->pods.update(5, older));
        ASSERT_TRUE(maps_->histograms.update(key(5), many));
        ASSERT_TRUE(merge_pod(*maps_, pins_, 5, 6));
    }
    goes_on = false;
    programs.join();
    EXPECT_EQ(sample_count(**maps_->histograms.lookup(key(6))), 200 * PODRTT_BUCKETS + counted);
    EXPECT_EQ(samples_since(**maps_->pods.lookup(6)), 100u);
    EXPECT_EQ((*maps_->pods.lookup(6))->created, 200u);
}

// As podrttd top does, which does not share the daemon's lock.
TEST_F(Totals, WhoReadsFromOutsideSeesNoSampleTwice)
{
    auto outside = Maps::open(pins_);
    ASSERT_TRUE(outside);
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->pods.update(5, pod("data", "db-0", 0)));
    std::atomic<bool> goes_on = true;
    std::thread daemon([&] {
        for (std::uint32_t from = 5; goes_on; from = 11 - from) {
            EXPECT_TRUE(maps_->pods.update(from, pod("data", "db-0", 0)));
            EXPECT_TRUE(maps_->pods.update(11 - from, pod("data", "db-0", 0)));
            EXPECT_TRUE(merge_pod(*maps_, pins_, from, 11 - from));
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
        }
    });
    std::map<std::uint64_t, int> seen;
    for (int i = 0; i < 500; i++) {
        std::uint64_t count = 0;
        const auto snapshot = Snapshot::take(*outside);
        for (const auto &[_, histogram] : snapshot->namespace_series)
            count += histogram.count();
        seen[count]++;
    }
    goes_on = false;
    daemon.join();
    EXPECT_EQ(seen, (std::map<std::uint64_t, int>{{3, 500}}));
}

// An error came between, not a crash: the same daemon goes on.
TEST_F(Totals, WhatAnErrorHasInterruptedIsFinishedBeforeTheNextMove)
{
    ASSERT_TRUE(maps_->pods.update(4, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->pods.update(5, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->pods.update(6, pod("data", "db-0", 0)));
    ASSERT_TRUE(maps_->histograms.update(key(4), samples(2)));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->histograms.reserve(key(6)));
    podrtt_journal entry = {};
    entry.move = PODRTT_MOVE_ADD;
    entry.from = key(5);
    entry.to_pod = key(6);
    entry.result = samples(3);
    ASSERT_TRUE(maps_->journal.update(0, entry));
    maps_->histograms.add_once(key(6), entry.result);
    ASSERT_TRUE(merge_pod(*maps_, pins_, 4, 6));
    ASSERT_TRUE(merge_pod(*maps_, pins_, 5, 6));
    EXPECT_EQ(namespace_samples(), 5u);
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

TEST(DISABLED_Move, Merges)
{
    const Pins pins("/sys/fs/bpf/podrtt");
    auto maps = Maps::open(pins);
    ASSERT_TRUE(maps && finish_interrupted_move(*maps, pins));
    ASSERT_TRUE(merge_pod(*maps, pins, 5, 6));
}

// Runs a test that is disabled, and kills it at a call of bpf(). Whether it ended by itself.
bool run_killed(const std::string &test, int call)
{
    const std::string command =
        "PODRTT_TEST_HERE=1 ASAN_OPTIONS=detect_leaks=0 strace -qq -o /dev/null -e trace=bpf -e "
        "inject=bpf:signal=SIGKILL:when=" +
        std::to_string(call) + " /proc/" + std::to_string(getpid()) + "/exe --gtest_filter=DISABLED_Move." +
        test + " --gtest_also_run_disabled_tests >/dev/null";
    return std::system(command.c_str()) == 0;
}

TEST_F(Totals, KilledMergesIntoALivingPodLoseNothingAndCountNothingTwice)
{
    constexpr int more_calls_than_there_are = 200;
    int call = 1;
    for (bool finished = false; !finished && call < more_calls_than_there_are; call++) {
        ASSERT_TRUE(maps_->pods.update(5, pod("data", "db-0", 1)));
        ASSERT_TRUE(maps_->pods.update(6, pod("data", "db-0", 0)));
        ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
        ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD), samples(4)));
        ASSERT_TRUE(maps_->histograms.update(key(6), samples(10)));
        finished = run_killed("Merges", call);
        ASSERT_TRUE(maps_->histograms.count(key(6), 0, 1)); // programs go on
        ASSERT_TRUE(finish_interrupted_move(*maps_, pins_));
        if (*maps_->pods.lookup(5)) {
            ASSERT_TRUE(merge_pod(*maps_, pins_, 5, 6));
        }
        ASSERT_EQ(namespace_samples(), 18u) << "killed at call " << call;
        EXPECT_FALSE((*maps_->journal.lookup(0))->move);
        ASSERT_TRUE(maps_->histograms.erase(key(6)));
        ASSERT_TRUE(maps_->histograms.erase(key(6, PODRTT_LEG_POD)));
    }
    EXPECT_GT(call, 20);
    EXPECT_LT(call, more_calls_than_there_are);
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
        const bool finished = run_killed("Retires", call);
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
