// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

#include "bpf/user/histogram.h"
#include "bpf/user/kinds.h"
#include "node-daemon/counts/peer_classes.h"
#include "node-daemon/counts/retirement.h"
#include "node-daemon/export/snapshot.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

// Another daemon's pins beside ours, of a layout that has the same records.
class Upgrading : public PinnedMaps
{
protected:
    static constexpr const char *layout = "v0"; // of today's form, but for its number

    Upgrading()
    {
        EXPECT_TRUE(set_peers(*maps_, {*parse_peer("db=10.0.0.0/8")}));
        podrtt_pod web = pod("shop", "web");
        web.host_ifindex = 77;
        EXPECT_TRUE(maps_->pods.update(5, web));
        EXPECT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_DATA, 1), samples(3)));
        EXPECT_TRUE(maps_->totals.update(total_key(pod("shop", "gone"), key(4)), samples(10)));
        EXPECT_TRUE(pins_.count(PODRTT_DROP_STALE, 4));
        maps_.reset();
        std::filesystem::rename(pins_.directory(), pins_.of_layout(layout));
        EXPECT_TRUE(load_datapath(pins_, {.flows = 1024, .histograms = 64, .pods = 64}));
        maps_ = std::make_unique<Maps>(std::move(*Maps::open(pins_)));
        EXPECT_TRUE(set_peers(*maps_, {*parse_peer("cache=10.0.0.0/8")})); // has the index that db had
    }

    std::uint64_t count(const std::map<SeriesKey, Histogram> &series, const std::string &peer)
    {
        std::uint64_t sum = 0;
        for (const auto &[key, histogram] : series)
            if (key.peer == peer)
                sum += histogram.count();
        return sum;
    }

    // Of another layout's number, with what pod 5 has of each kind there.
    void take_over(const char *number, const std::map<int, podrtt_histogram> &by_kind)
    {
        maps_.reset();
        auto histograms = HistogramTable::open(pins_.of_layout(layout) / PODRTT_MAP_HISTOGRAMS);
        ASSERT_TRUE(histograms);
        for (const auto &[kind, histogram] : by_kind)
            ASSERT_TRUE(
                histograms->update(key(5, PODRTT_LEG_NETWORK, static_cast<podrtt_kind>(kind)), histogram));
        std::filesystem::rename(pins_.of_layout(layout), pins_.of_layout(number));
        open();
        ASSERT_TRUE(take_pods_over(*maps_, pins_, number));
        ASSERT_TRUE(take_samples_over(*maps_, pins_, number));
    }

    void expect_all_there()
    {
        auto snapshot = Snapshot::take(*maps_);
        ASSERT_TRUE(snapshot);
        EXPECT_EQ(count(snapshot->pod_series, "db"), 3u);
        EXPECT_EQ(count(snapshot->pod_series, "cache"), 0u);
        EXPECT_EQ(count(snapshot->namespace_series, "db"), 3u);
        EXPECT_EQ(count(snapshot->namespace_series, "internet"), 10u);
    }
};

TEST_F(Upgrading, FindsOtherLayouts)
{
    EXPECT_EQ(other_layouts(pins_), std::vector<std::string>{layout});
}

TEST_F(Upgrading, TakesPodsAndSamplesOver)
{
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout)); // a second time changes nothing
    auto pods = maps_->pods.entries();
    ASSERT_EQ(pods->size(), 1u);
    EXPECT_EQ(describe(pods->front().second), "shop/web");
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    expect_all_there();
    EXPECT_TRUE(other_layouts(pins_).empty());
}

// Not beside it, where they would take as much room again.
TEST_F(Upgrading, PodsThatLiveGoOnWithTheirSamples)
{
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    const auto id = maps_->pods.keys()->front();
    ASSERT_TRUE(maps_->histograms.count(key(id, PODRTT_LEG_NETWORK, PODRTT_KIND_DATA, 0), 1, 1));
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    EXPECT_EQ(maps_->pods.keys()->size(), 1u);
    const auto entries = maps_->histograms.entries();
    for (const auto &[found, histogram] : *entries)
        EXPECT_EQ(found.pod, id);
}

// Of what has a place there, as much as there is room for here.
TEST_F(Upgrading, WhatFindsNoRoomStaysWhereItIs)
{
    for (std::uint32_t other = 1; maps_->histograms.reserve(key(1000 + other)); other++)
        ;
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    auto taken = take_samples_over(*maps_, pins_, layout);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, E2BIG);
    ASSERT_TRUE(maps_->histograms.erase(key(1001)));
    const auto entries = maps_->histograms.entries();
    for (const auto &[found, histogram] : *entries)
        ASSERT_TRUE(maps_->histograms.erase(found));
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    expect_all_there();
}

// A daemon that was killed there had written a total, and not erased what it was from.
TEST_F(Upgrading, FinishesWhatACrashHasInterruptedThere)
{
    {
        auto journal =
            Map<std::uint32_t, podrtt_journal>::open(pins_.of_layout(layout) / PODRTT_MAP_JOURNAL);
        auto totals = podrtt::Totals::open(pins_.of_layout(layout) / PODRTT_MAP_TOTALS);
        ASSERT_TRUE(journal && totals);
        podrtt_journal entry = {};
        entry.move = PODRTT_MOVE_TO_TOTAL;
        entry.from = key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_DATA, 1);
        entry.to_total = total_key(pod("shop", "web"), entry.from);
        entry.result = samples(3);
        ASSERT_TRUE(journal->update(0, entry));
        ASSERT_TRUE(totals->update(entry.to_total, samples(3)));
    }
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    auto snapshot = Snapshot::take(*maps_);
    EXPECT_EQ(count(snapshot->namespace_series, "db"), 3u);
}

// By a plugin of that version, which has not been replaced yet: its programs count there.
TEST_F(Upgrading, WaitsForPodsThatCameMeanwhile)
{
    spdlog::logger log("test", std::make_shared<spdlog::sinks::null_sink_mt>());
    Upgrade upgrade(pins_, *maps_, log);
    {
        auto pods = Pods::open(pins_.of_layout(layout) / PODRTT_MAP_PODS);
        podrtt_pod late = pod("shop", "late");
        std::string("late").copy(late.container_id, sizeof(late.container_id));
        late.host_ifindex = 78;
        ASSERT_TRUE(pods && pods->update(6, late));
    }
    EXPECT_FALSE(upgrade.finish());
    EXPECT_EQ(maps_->pods.keys()->size(), 2u); // which now get this version's programs
    EXPECT_EQ(other_layouts(pins_).size(), 1u);
    EXPECT_TRUE(upgrade.finish());
    expect_all_there();
}

TEST_F(Upgrading, LeavesANewerLayoutAlone)
{
    std::filesystem::rename(pins_.of_layout(layout), pins_.of_layout("v99"));
    std::ostringstream text;
    spdlog::logger log("test", std::make_shared<spdlog::sinks::ostream_sink_mt>(text));
    Upgrade upgrade(pins_, *maps_, log);
    upgrade.finish();
    EXPECT_EQ(other_layouts(pins_), std::vector<std::string>{"v99"});
    EXPECT_TRUE(maps_->pods.keys()->empty());
    EXPECT_THAT(text.str(), testing::HasSubstr("v99 is of a newer version"));
}

// A daemon of layout 3 has taken counts of layout 4 for connections, as they were.
TEST_F(Upgrading, FindsItsOwnCountsAgainInLayout3)
{
    take_over("v3", {{32, samples(6, bucket_of(PODRTT_COUNT_DNS_ANSWERS, 3))}});
    auto snapshot = Snapshot::take(*maps_);
    ASSERT_EQ(snapshot->pod_counts.size(), 1u);
    EXPECT_EQ(snapshot->pod_counts.begin()->second.buckets(),
              (std::vector<Histogram::Bucket>{{bucket_of(PODRTT_COUNT_DNS_ANSWERS, 3), 6}}));
}

// Their numbers have changed: what is a count in layout 2 is a kind of times here.
TEST_F(Upgrading, KnowsConnectionsOfLayout2)
{
    take_over("v2", {{4, samples(6, PODRTT_MATCHING_SEQUENCE)}});
    auto snapshot = Snapshot::take(*maps_);
    EXPECT_EQ(snapshot->connections[(PodName{"shop", "web"})][PODRTT_MATCHING_SEQUENCE], 6u);
    for (const auto &[series, histogram] : snapshot->pod_series)
        EXPECT_NE(series.kind, PODRTT_KIND_CONNECT);
}

TEST_F(Upgrading, KnowsCountsOfLayout3)
{
    take_over("v3", {{32, samples(6, PODRTT_MATCHING_NONE)},
                     {33, samples(5, PODRTT_CONNECT_REFUSED)},
                     {34, samples(4, 0)},
                     {35, samples(3, 0)},
                     {36, samples(2, 15)}});
    auto snapshot = Snapshot::take(*maps_);
    EXPECT_EQ(snapshot->connections[(PodName{"shop", "web"})][PODRTT_MATCHING_NONE], 6u);
    ASSERT_EQ(snapshot->pod_counts.size(), 1u);
    EXPECT_EQ(snapshot->pod_counts.begin()->second.buckets(),
              (std::vector<Histogram::Bucket>{{PODRTT_MATCHING_NONE, 6},
                                              {bucket_of(PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_REFUSED), 5},
                                              {PODRTT_COUNT_RESENT, 4},
                                              {PODRTT_COUNT_DNS_QUERIES, 3},
                                              {bucket_of(PODRTT_COUNT_DNS_ANSWERS, 15), 2}}));
}

TEST_F(Upgrading, AddsToWhatIsThere)
{
    ASSERT_TRUE(pins_.count(PODRTT_DROP_STALE));
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    ASSERT_TRUE(maps_->totals.update(total_key(pod("shop", "gone"), key(4)), samples(2)));
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    auto snapshot = Snapshot::take(*maps_);
    EXPECT_EQ(count(snapshot->namespace_series, "internet"), 12u);
    EXPECT_EQ(maps_->dropped(PODRTT_DROP_STALE), 5u);
}

TEST_F(Upgrading, GoesOnAfterACrashInTheMiddle)
{
    ASSERT_TRUE(take_pods_over(*maps_, pins_, layout));
    // The journal was written, the total too, and then the power went.
    const auto total = total_key(pod("shop", "gone"), key(4));
    podrtt_journal entry = {};
    entry.move = PODRTT_MOVE_LAYOUT_TOTAL;
    std::string(layout).copy(entry.layout, sizeof(entry.layout));
    entry.from_total = entry.to_total = total;
    entry.result = samples(10);
    ASSERT_TRUE(maps_->journal.update(0, entry));
    ASSERT_TRUE(maps_->totals.update(total, samples(10)));
    ASSERT_TRUE(finish_interrupted_move(*maps_, pins_));
    ASSERT_TRUE(take_samples_over(*maps_, pins_, layout));
    expect_all_there();
}

} // namespace
} // namespace podrtt
