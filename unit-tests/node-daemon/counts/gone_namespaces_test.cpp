// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/gone_namespaces.h"

#include <gtest/gtest.h>

#include "bpf/user/histogram.h"
#include "node-daemon/counts/retirement.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

class Gone : public PinnedMaps
{
protected:
    // A namespace of which nothing but its total is left.
    void leave(const std::string &name_space, std::uint64_t count)
    {
        for (const podrtt_kind kind : {PODRTT_KIND_DATA, PODRTT_KIND_COUNTS})
            ASSERT_TRUE(maps_->totals.update(total_key(pod(name_space, ""), key(0, PODRTT_LEG_POD, kind)),
                                             samples(count)));
    }

    std::uint64_t count_of(const std::string &name_space, podrtt_kind kind = PODRTT_KIND_DATA)
    {
        auto total = maps_->totals.lookup(total_key(pod(name_space, ""), key(0, PODRTT_LEG_POD, kind)));
        return total && *total ? sample_count(**total) : 0;
    }

    std::uint64_t all()
    {
        std::uint64_t count = 0;
        EXPECT_TRUE(
            maps_->totals.for_each([&](const auto &, const auto &total) { count += sample_count(total); }));
        return count;
    }

    GoneNamespaces::Clock::time_point now_ = GoneNamespaces::Clock::now();
    GoneNamespaces gone_{1h};
};

TEST_F(Gone, NamespacesAreSummedUpAfterTheGracePeriod)
{
    leave("a", 3);
    leave("b", 4);
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 59min));
    EXPECT_EQ(count_of("a"), 3u);
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 61min));
    EXPECT_EQ(count_of("a"), 0u);
    EXPECT_EQ(count_of(PODRTT_GONE), 7u);
    EXPECT_EQ(count_of(PODRTT_GONE, PODRTT_KIND_COUNTS), 7u);
    EXPECT_EQ(all(), 14u);
    EXPECT_FALSE((*maps_->journal.lookup(0))->move);
}

TEST_F(Gone, NamespacesWithPodsAreNotGone)
{
    leave("a", 3);
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_));
    ASSERT_TRUE(maps_->pods.update(5, pod("a", "web", 1))); // though it is gone itself
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 2h));
    EXPECT_EQ(count_of("a"), 3u);
    ASSERT_TRUE(maps_->pods.erase(5));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 3h)); // the hour begins now
    EXPECT_EQ(count_of("a"), 3u);
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 4h));
    EXPECT_EQ(count_of("a"), 0u);
}

// With --max-pods.
TEST_F(Gone, NamespacesTakeTheRestOfTheirPodsAlong)
{
    leave("a", 3);
    const auto rest = others_of_namespace(pod("a", "web"));
    ASSERT_TRUE(maps_->pods.update(5, rest));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD), samples(2)));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 2h));
    EXPECT_FALSE(*maps_->pods.lookup(5));
    EXPECT_EQ(count_of(PODRTT_GONE), 5u);
}

TEST_F(Gone, SumsOfManyStay)
{
    leave(PODRTT_OTHER, 3);
    leave(PODRTT_GONE, 4);
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_ + 2h));
    EXPECT_EQ(count_of(PODRTT_OTHER), 3u);
    EXPECT_EQ(count_of(PODRTT_GONE), 4u);
}

TEST_F(Gone, NamespacesMakeRoomAtOnceWhereTotalsAreMany)
{
    leave("first", 1);
    leave(PODRTT_GONE, 1);
    const std::size_t many = PODRTT_MAX_TOTALS / 16 * 15 / 2;
    for (std::size_t i = 0; i < many; i++)
        leave("n" + std::to_string(i), 1);
    ASSERT_TRUE(maps_->pods.update(5, pod("first", "web")));
    ASSERT_TRUE(gone_.retire(*maps_, pins_, now_));
    EXPECT_EQ(maps_->totals.keys()->size(), 4u + 2); // and those of others, reserved
    EXPECT_EQ(count_of("first"), 1u);
    EXPECT_EQ(count_of(PODRTT_GONE), many + 1);
}

// At any step of the move.
TEST_F(Gone, NamespaceWhoseMoveWasInterruptedIsCountedOnce)
{
    leave("a", 3);
    podrtt_journal entry = {};
    entry.move = PODRTT_MOVE_TO_GONE;
    entry.from_total = total_key(pod("a", ""), key(0, PODRTT_LEG_POD, PODRTT_KIND_DATA));
    entry.to_total = total_key(pod(PODRTT_GONE, ""), key(0, PODRTT_LEG_POD, PODRTT_KIND_DATA));
    entry.result = samples(10);
    for (const bool written : {false, true}) {
        if (written) {
            ASSERT_TRUE(maps_->totals.update(entry.to_total, entry.result));
        }
        ASSERT_TRUE(maps_->journal.update(0, entry));
        ASSERT_TRUE(finish_interrupted_move(*maps_, pins_));
        EXPECT_EQ(count_of("a"), 0u);
        EXPECT_EQ(count_of(PODRTT_GONE), 10u);
    }
}

} // namespace
} // namespace podrtt
