// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <cstdlib>

#include "filter.h"
#include "histogram.h"
#include "pinned_maps.h"
#include "snapshot.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

constexpr std::uint32_t no_such_interface = 4711;

class Reconciling : public PinnedMaps
{
protected:
    Reconciling()
        : reconciler_(
              pins_, *maps_, std::move(*Netlink::open()), 60s,
              std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>()))
    {
        shell("ip link add veth_a type veth peer name veth_b");
        veth_ = if_nametoindex("veth_a");
    }
    ~Reconciling() override { shell("ip link delete veth_a 2>/dev/null || true"); }

    static void shell(const std::string &command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

    bool attached()
    {
        auto netlink = Netlink::open();
        auto filters = list_filters(*netlink, static_cast<int>(veth_), Hook::ingress);
        return filters && std::ranges::any_of(*filters, &Filter::ours);
    }

    bool known(std::uint32_t id) { return maps_->pods.lookup(id)->has_value(); }

    Reconciler reconciler_;
    std::uint32_t veth_;
    const Reconciler::Clock::time_point start_ = Reconciler::Clock::now();
};

TEST_F(Reconciling, AttachesWhatAPluginHasLeftUndone)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "web")));
    reconciler_.reconcile(start_);
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, AttachesAgainWhatSomebodyRemoved)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "web")));
    reconciler_.reconcile(start_);
    shell("tc qdisc delete dev veth_a clsact");
    ASSERT_FALSE(attached());
    reconciler_.reconcile(start_ + 31s);
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, LeavesInterfacesAloneThatAreNoPods)
{
    reconciler_.reconcile(start_);
    EXPECT_FALSE(attached());
}

TEST_F(Reconciling, KeepsADeletedPodForTheGracePeriod)
{
    ASSERT_TRUE(maps_->pods.update(no_such_interface, pod("shop", "web")));
    ASSERT_TRUE(maps_->histograms.update(key(no_such_interface), samples(3)));
    reconciler_.reconcile(start_); // finds its interface gone
    ASSERT_TRUE(known(no_such_interface));
    EXPECT_NE((*maps_->pods.lookup(no_such_interface))->deleted, 0u);
    reconciler_.reconcile(start_ + 59s);
    EXPECT_TRUE(known(no_such_interface));
    reconciler_.reconcile(start_ + 61s);
    EXPECT_FALSE(known(no_such_interface));

    auto snapshot = Snapshot::take(*maps_);
    ASSERT_TRUE(snapshot);
    EXPECT_TRUE(snapshot->pod_series.empty());
    ASSERT_EQ(snapshot->namespace_series.size(), 1u);
    EXPECT_EQ(sample_count(snapshot->namespace_series.begin()->second), 3u);
}

TEST_F(Reconciling, KeepsAPodWhoseInterfaceIsThereThoughItWasMarked)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "web", 1)));
    reconciler_.reconcile(start_);
    EXPECT_TRUE(known(veth_));
    EXPECT_TRUE(attached());
}

// A sandbox that fails again and again is made anew each time, on a new interface.
TEST_F(Reconciling, KeepsOnePredecessorOfAName)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "crashing")));
    for (std::uint32_t id = no_such_interface; id < no_such_interface + 20; id++) {
        ASSERT_TRUE(maps_->pods.update(id, pod("shop", "crashing", 1)));
        ASSERT_TRUE(maps_->histograms.update(key(id), samples(2)));
        reconciler_.reconcile(start_);
    }
    EXPECT_EQ(maps_->pods.entries()->size(), 2u);
    auto snapshot = Snapshot::take(*maps_);
    ASSERT_TRUE(snapshot);
    ASSERT_EQ(snapshot->pod_series.size(), 1u);
    EXPECT_EQ(sample_count(snapshot->pod_series.begin()->second), 40u);
}

TEST_F(Reconciling, KeepsThePredecessorWhileASuccessorHasItsName)
{
    ASSERT_TRUE(maps_->pods.update(no_such_interface, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->pods.update(veth_, pod("data", "db-0")));
    reconciler_.reconcile(start_);
    EXPECT_TRUE(known(no_such_interface));
    shell("ip link delete veth_a");
    reconciler_.reconcile(start_ + 1s);
    reconciler_.reconcile(start_ + 62s);
    EXPECT_FALSE(known(no_such_interface));
    EXPECT_FALSE(known(veth_));
}

} // namespace
} // namespace podrtt
