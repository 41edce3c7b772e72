// SPDX-License-Identifier: Apache-2.0
#include "totals.h"

#include "histogram.h"
#include "pinned_maps.h"
#include "snapshot.h"

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
            count += sample_count(histogram);
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

// The daemon may be killed between any two of the steps; the next one goes on from what
// it finds. Each row is a state that a kill can leave behind.
class Interrupted : public Totals
{
protected:
    void SetUp() override
    {
        ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web", 1)));
        ASSERT_TRUE(maps_->totals.update(total, samples(10)));
        ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    }

    void restart_and_retire()
    {
        ASSERT_TRUE(finish_interrupted_move(*maps_, pins_));
        ASSERT_TRUE(retire_pod(*maps_, pins_, 5, pod("shop", "web", 1)));
        EXPECT_EQ(namespace_samples(), 13u);
        EXPECT_FALSE((*maps_->journal.lookup(0))->move);
        EXPECT_FALSE(*maps_->histograms.lookup(key(5)));
    }

    const podrtt_total_key total = total_key(pod("shop", "web"), key(5));
    const podrtt_journal entry = {.move = PODRTT_MOVE_TO_TOTAL,
                                  .layout = {},
                                  .from_total = {},
                                  .from = key(5),
                                  .to_pod = {},
                                  .to_total = total,
                                  .result = samples(13)};
};

TEST_F(Interrupted, BeforeTheJournalIsWritten)
{
    restart_and_retire();
}

TEST_F(Interrupted, AfterTheJournalIsWritten)
{
    ASSERT_TRUE(maps_->journal.update(0, entry));
    restart_and_retire();
}

TEST_F(Interrupted, AfterTheTotalIsWritten)
{
    ASSERT_TRUE(maps_->journal.update(0, entry));
    ASSERT_TRUE(maps_->totals.update(total, samples(13)));
    restart_and_retire();
}

TEST_F(Interrupted, AfterTheHistogramIsErased)
{
    ASSERT_TRUE(maps_->journal.update(0, entry));
    ASSERT_TRUE(maps_->totals.update(total, samples(13)));
    ASSERT_TRUE(maps_->histograms.erase(key(5)));
    restart_and_retire();
}

TEST_F(Interrupted, BeforeThePodIsForgotten)
{
    ASSERT_TRUE(maps_->totals.update(total, samples(13)));
    ASSERT_TRUE(maps_->histograms.erase(key(5)));
    restart_and_retire();
}

} // namespace
} // namespace podrtt
