// SPDX-License-Identifier: Apache-2.0
//
// Records in the map `pods`, and the ids that they get.
#include <gtest/gtest.h>

#include <set>

#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

class Records : public PinnedMaps
{
protected:
    std::uint32_t record(podrtt_pod pod, std::uint32_t ifindex)
    {
        pod.host_ifindex = ifindex;
        return record_pod(maps_->pods, maps_->settings, pod).value();
    }
};

TEST_F(Records, IdsAreNumbersThatAClassidHolds)
{
    std::set<std::uint32_t> ids;
    for (std::uint32_t ifindex : {1u, 65535u, 65536u, 1u << 30})
        ids.insert(record(pod("shop", "web"), ifindex));
    EXPECT_EQ(ids.size(), 4u);
    EXPECT_GE(*ids.begin(), 1u);
    EXPECT_LE(*ids.rbegin(), PODRTT_MAX_POD_ID);
}

TEST_F(Records, SameSandboxKeepsItsIdAndAnotherGetsAnother)
{
    const podrtt_pod web = pod("shop", "web");
    const auto id = record(web, 7);
    EXPECT_EQ(record(web, 8), id); // on another veth: podman network reload
    EXPECT_EQ((*maps_->pods.lookup(id))->host_ifindex, 8u);
    EXPECT_NE(record(pod("shop", "web"), 8), id); // the next of that name, and of that ifindex
    EXPECT_EQ((*maps_->pods.lookup(id))->host_ifindex, 8u);
}

TEST_F(Records, OfOneSandboxWithTwoInterfacesAreTwo)
{
    podrtt_pod web = pod("shop", "web");
    const auto id = record(web, 7);
    std::string("net1").copy(web.ifname, sizeof(web.ifname) - 1);
    EXPECT_NE(record(web, 8), id);
}

TEST_F(Records, IdsAreNotUsedAgainSoon)
{
    const auto first = record(pod("shop", "web"), 7);
    ASSERT_TRUE(maps_->pods.erase(first));
    EXPECT_NE(record(pod("shop", "web"), 7), first);
}

TEST_F(Records, IdsBeginAgainAfterTheLast)
{
    ASSERT_TRUE(maps_->settings.update(PODRTT_SETTING_NEXT_ID, PODRTT_MAX_POD_ID - 1));
    EXPECT_EQ(record(pod("shop", "web"), 7), PODRTT_MAX_POD_ID);
    EXPECT_EQ(record(pod("shop", "db"), 8), 1u);
    EXPECT_EQ(record(pod("shop", "cache"), 9), 2u);
}

TEST_F(Records, FullMapIsAnErrorThatLosesNothing)
{
    for (std::uint32_t i = 0; i < maps_->pods.capacity(); i++)
        record(pod("shop", "web"), i + 1);
    podrtt_pod late = pod("shop", "late");
    late.host_ifindex = 5000;
    auto id = record_pod(maps_->pods, maps_->settings, late);
    ASSERT_FALSE(id);
    EXPECT_EQ(id.error().code, E2BIG);
    EXPECT_EQ(maps_->pods.entries()->size(), maps_->pods.capacity());
}

TEST_F(Records, WhatRemainsOfAPodIsARecordOfItsOwn)
{
    const podrtt_pod web = pod("shop", "web");
    const auto alive = record(web, 7);
    const auto gone = record_gone_pod(maps_->pods, maps_->settings, web).value();
    EXPECT_NE(gone, alive);
    EXPECT_EQ(record_gone_pod(maps_->pods, maps_->settings, web).value(), gone);
    EXPECT_FALSE(has_interface(**maps_->pods.lookup(gone)));
    EXPECT_EQ(record(web, 7), alive);
}

TEST_F(Records, MarkedOneThatIsCollectedMeanwhileStaysAway)
{
    const podrtt_pod web = pod("shop", "web");
    const auto id = record(web, 7);
    ASSERT_TRUE(maps_->pods.erase(id));
    EXPECT_TRUE(mark_deleted(maps_->pods, id, web));
    EXPECT_FALSE(maps_->pods.lookup(id)->has_value());
}

} // namespace
} // namespace podrtt
