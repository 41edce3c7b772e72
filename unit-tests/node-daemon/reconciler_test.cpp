// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <spdlog/sinks/null_sink.h>
#include <sys/mount.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "attachment.h"
#include "filter.h"
#include "histogram.h"
#include "netns.h"
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
              pins_, *maps_, attachments_, repairs_, std::move(*Netlink::open()), {.grace_period = 60s},
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

    Attachments attachments_;
    Repairs repairs_;
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
    reconciler_.reconcile(start_ + 301s);
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, AttachesAgainAtOnceWhenToldOfTheInterface)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "web")));
    reconciler_.reconcile(start_);
    const auto before = repairs_.of(Repair::attached);
    shell("tc qdisc delete dev veth_a clsact");
    EXPECT_FALSE(reconciler_.look_again(1));
    EXPECT_TRUE(reconciler_.look_again(static_cast<int>(veth_)));
    reconciler_.reconcile(start_ + 1s);
    EXPECT_TRUE(attached());
    EXPECT_EQ(repairs_.of(Repair::attached), before + 1);
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

TEST_F(Reconciling, ReportsTheFormOfAttachment)
{
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "web")));
    reconciler_.reconcile(start_);
    EXPECT_EQ(attachments_.all(), (std::map<std::uint32_t, Attachment>{{veth_, {true, "clsact"}}}));
    shell("ip link delete veth_a");
    reconciler_.reconcile(start_ + 1s);
    EXPECT_TRUE(attachments_.all().empty());
}

class OneWay : public Reconciling
{
protected:
    static void SetUpTestSuite()
    {
        ASSERT_EQ(mount("tmpfs", "/run", "tmpfs", 0, nullptr), 0);
        std::filesystem::create_directory("/run/netns");
    }
    static void TearDownTestSuite() { umount2("/run", MNT_DETACH); }

    OneWay()
    {
        shell("ip netns add pod");
        shell("ip link set veth_b netns pod");
    }
    ~OneWay() override { shell("ip netns delete pod"); }

    // As the programs count them.
    void count(std::uint64_t seen, std::uint64_t one_way)
    {
        podrtt_histogram counts = {};
        counts.bucket[PODRTT_MATCHING_TIMESTAMPS] = seen;
        counts.bucket[PODRTT_MATCHING_NONE] = one_way;
        EXPECT_TRUE(
            maps_->histograms.update(key(veth_, PODRTT_LEG_NETWORK, PODRTT_KIND_CONNECTIONS), counts));
    }

    // A pod whose host veth shows one direction only.
    static podrtt_pod one_way_pod(const std::string &netns, const std::string &ifname = "veth_b")
    {
        podrtt_pod pod = Reconciling::pod("shop", "web");
        netns.copy(pod.netns, sizeof(pod.netns) - 1);
        ifname.copy(pod.ifname, sizeof(pod.ifname) - 1);
        std::string("c0ffee").copy(pod.container_id, sizeof(pod.container_id) - 1);
        return pod;
    }

    static std::vector<Filter> filters_inside(Hook hook)
    {
        auto guard = NetnsGuard::enter(*Netns::open("/run/netns/pod"));
        auto netlink = Netlink::open();
        return *list_filters(*netlink, static_cast<int>(if_nametoindex("veth_b")), hook);
    }

    const Attachment one_direction_ = {false, "one_direction"};
};

TEST_F(OneWay, PodIsMeasuredFromInside)
{
    ASSERT_TRUE(maps_->pods.update(veth_, one_way_pod("/run/netns/pod")));
    ASSERT_TRUE(maps_->histograms.update(key(veth_), samples(3)));
    reconciler_.reconcile(start_);
    ASSERT_TRUE(attached());
    count(0, 3);
    reconciler_.reconcile(start_ + 1s);
    EXPECT_FALSE(attached());
    EXPECT_FALSE(known(veth_));

    auto all = attachments_.all();
    ASSERT_EQ(all.size(), 1u);
    const auto &[id, attachment] = *all.begin();
    EXPECT_TRUE(id & PODRTT_ID_IN_POD);
    EXPECT_EQ(attachment, (Attachment{true, "pod"}));
    EXPECT_EQ(sample_count(maps_->histograms.lookup(key(id))->value()), 3u);
    ASSERT_EQ(filters_inside(Hook::egress).size(), 1u);
    EXPECT_EQ(filters_inside(Hook::egress).front().name, PODRTT_PROGRAM_POD_OUT);
    EXPECT_EQ(filters_inside(Hook::ingress).front().name, PODRTT_PROGRAM_POD_IN);

    // It stays so, and goes when its veth goes.
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(attachments_.all(), all);
    shell("ip link delete veth_a");
    reconciler_.reconcile(start_ + 41s);
    reconciler_.reconcile(start_ + 102s);
    EXPECT_FALSE(known(id));
}

TEST_F(OneWay, MoveThatFailsHalfwayLeavesNothingInside)
{
    shell("ip netns exec pod tc qdisc add dev veth_b clsact");
    shell("ip netns exec pod tc filter add dev veth_b ingress pref 1 protocol ip bpf bytecode '1,6 0 0 0'");
    ASSERT_TRUE(maps_->pods.update(veth_, one_way_pod("/run/netns/pod")));
    reconciler_.reconcile(start_);
    count(0, 3);
    reconciler_.reconcile(start_ + 1s);
    EXPECT_EQ(attachments_.all(), (std::map<std::uint32_t, Attachment>{{veth_, one_direction_}}));
    EXPECT_TRUE(attached());
    EXPECT_TRUE(filters_inside(Hook::egress).empty());
    EXPECT_EQ(maps_->pods.entries()->size(), 1u);
}

TEST_F(OneWay, FilterOfAnotherIdIsReplaced)
{
    auto pod = one_way_pod("/run/netns/pod");
    pod.host_ifindex = veth_;
    ASSERT_TRUE(attach_in_pod(pins_, PODRTT_ID_IN_POD | 7, pod));
    ASSERT_TRUE(attach_in_pod(pins_, PODRTT_ID_IN_POD | 8, pod));
    for (Hook hook : {Hook::ingress, Hook::egress}) {
        ASSERT_EQ(filters_inside(hook).size(), 1u);
        EXPECT_EQ(filters_inside(hook).front().classid, 8u);
    }
}

// Its path was kept; by now it may mean another pod, or the node.
TEST_F(OneWay, NetworkNamespaceOfSomebodyElseIsLeftAlone)
{
    shell("ip netns exec pod ip link add other type veth peer name other_peer");
    ASSERT_TRUE(maps_->pods.update(veth_, one_way_pod("/run/netns/pod", "other")));
    reconciler_.reconcile(start_);
    count(0, 3);
    reconciler_.reconcile(start_ + 1s);
    EXPECT_EQ(attachments_.all(), (std::map<std::uint32_t, Attachment>{{veth_, one_direction_}}));
    EXPECT_TRUE(attached());
    shell("ip netns exec pod tc filter show dev other ingress | grep -q podrtt && exit 1 || exit 0");
}

// As a daemon leaves it that is killed in between.
TEST_F(OneWay, MoveThatWasInterruptedIsFinished)
{
    auto pod = one_way_pod("/run/netns/pod");
    ASSERT_TRUE(maps_->pods.update(veth_, pod));
    ASSERT_TRUE(maps_->histograms.update(key(veth_), samples(3)));
    pod.host_ifindex = veth_;
    auto id = add_in_pod(maps_->pods, pod);
    ASSERT_TRUE(id && attach_in_pod(pins_, *id, pod));
    reconciler_.reconcile(start_);
    EXPECT_FALSE(known(veth_));
    EXPECT_FALSE(attached());
    EXPECT_EQ(attachments_.all(), (std::map<std::uint32_t, Attachment>{{*id, {true, "pod"}}}));
    EXPECT_EQ(sample_count(maps_->histograms.lookup(key(*id))->value()), 3u);
}

TEST_F(OneWay, PodThatCannotBeEnteredIsReported)
{
    ASSERT_TRUE(maps_->pods.update(veth_, one_way_pod("/nonexistent")));
    reconciler_.reconcile(start_);
    count(0, 3);
    reconciler_.reconcile(start_ + 1s);
    EXPECT_EQ(attachments_.all().at(veth_), (Attachment{false, "one_direction"}));
    EXPECT_TRUE(attached());
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(attachments_.all().at(veth_), (Attachment{false, "one_direction"}));

    count(1, 3); // both directions again
    reconciler_.reconcile(start_ + 41s);
    reconciler_.reconcile(start_ + 42s);
    EXPECT_EQ(attachments_.all().at(veth_), (Attachment{true, "clsact"}));
}

TEST_F(OneWay, FewConnectionsOrThoseBetweenOthersMeanNothing)
{
    ASSERT_TRUE(maps_->pods.update(veth_, one_way_pod("/run/netns/pod")));
    count(0, 2);
    reconciler_.reconcile(start_);
    count(1, 4);
    reconciler_.reconcile(start_ + 1s);
    count(2, 9);
    reconciler_.reconcile(start_ + 2s);
    EXPECT_EQ(attachments_.all().at(veth_), (Attachment{true, "clsact"}));
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, BeyondTheLimitPodsAreOneThatNeverGoesBackwards)
{
    Reconciler limited(
        pins_, *maps_, attachments_, repairs_, std::move(*Netlink::open()),
        {.grace_period = 60s, .max_pods = 1},
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>()));
    auto others = [this] {
        const auto snapshot = Snapshot::take(*maps_, {.max_pods = 1});
        std::map<std::string, std::uint64_t> counts;
        for (const auto &[series, histogram] : snapshot->pod_series)
            counts[series.pod] += sample_count(histogram);
        return counts;
    };
    ASSERT_TRUE(maps_->pods.update(veth_, pod("shop", "first")));
    ASSERT_TRUE(maps_->histograms.update(key(veth_), samples(1)));
    limited.reconcile(start_);
    for (std::uint32_t id : {no_such_interface, no_such_interface + 1}) {
        ASSERT_TRUE(maps_->pods.update(id, pod("shop", "later-" + std::to_string(id))));
        ASSERT_TRUE(maps_->histograms.update(key(id), samples(2)));
    }
    EXPECT_EQ(others(), (std::map<std::string, std::uint64_t>{{"first", 1}})); // not decided yet
    limited.reconcile(start_ + 1s);
    const std::map<std::string, std::uint64_t> expected = {{"first", 1}, {PODRTT_OTHER, 4}};
    EXPECT_EQ(others(), expected);
    limited.reconcile(start_ + 100s); // the two are collected
    EXPECT_FALSE(known(no_such_interface));
    EXPECT_EQ(others(), expected);
    limited.reconcile(start_ + 200s);
    EXPECT_EQ(others(), expected);
}

} // namespace
} // namespace podrtt
