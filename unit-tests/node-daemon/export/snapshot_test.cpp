// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/snapshot.h"

#include "bpf/user/histogram.h"
#include "node-daemon/counts/retirement.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

class Snapshots : public PinnedMaps
{
};

TEST_F(Snapshots, NamespacesHoldWhatTheirPodsHaveAndHad)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web")));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->totals.update(total_key(pod("shop", ""), key(0)), samples(10)));
    auto snapshot = Snapshot::take(*maps_);
    ASSERT_TRUE(snapshot);
    ASSERT_EQ(snapshot->pod_series.size(), 1u);
    EXPECT_EQ(snapshot->pod_series.begin()->second.count(), 3u);
    ASSERT_EQ(snapshot->namespace_series.size(), 1u);
    EXPECT_EQ(snapshot->namespace_series.begin()->second.count(), 13u);
}

TEST_F(Snapshots, HistogramsOfNoPodAreNobodys)
{
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    auto snapshot = Snapshot::take(*maps_);
    ASSERT_TRUE(snapshot);
    EXPECT_TRUE(snapshot->pod_series.empty());
    EXPECT_TRUE(snapshot->namespace_series.empty());
}

// As a later version may count.
TEST_F(Snapshots, KindsThatAreNotKnownAreLeftOut)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web")));
    auto unknown = key(5);
    unknown.kind = 77;
    ASSERT_TRUE(maps_->histograms.update(unknown, samples(3)));
    auto snapshot = Snapshot::take(*maps_);
    ASSERT_TRUE(snapshot);
    EXPECT_TRUE(snapshot->pod_series.empty());
    EXPECT_EQ(snapshot->histogram_entries, 1u);
}

TEST_F(Snapshots, LeaveOutWhatTheOptionsSay)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD, PODRTT_KIND_DATA, 1), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK), samples(3)));
    EXPECT_EQ(Snapshot::take(*maps_, {.leg = PODRTT_LEG_POD})->pod_series.size(), 1u);
    EXPECT_TRUE(Snapshot::take(*maps_, {.pods = false})->pod_series.empty());
    EXPECT_EQ(Snapshot::take(*maps_, {.peers = false})->pod_series.begin()->first.peer, "");
}

} // namespace
} // namespace podrtt
