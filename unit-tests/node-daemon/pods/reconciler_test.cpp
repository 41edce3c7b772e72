// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/reconciler.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <spdlog/sinks/null_sink.h>

#include <algorithm>
#include <cerrno>

#include "bpf/flow.h"
#include "bpf/histogram_math.h"
#include "bpf/user/attach/clsact.h"
#include "bpf/user/histogram.h"
#include "bpf/user/mapped_array.h"
#include "bpf/user/owner.h"
#include "node-daemon/export/snapshot.h"
#include "unit-tests/support/pinned_maps.h"
#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;
using attach::Hook;

constexpr std::uint32_t no_such_interface = 4711;

class Reconciling : public PinnedMaps
{
protected:
    Reconciling()
        : attacher_(std::move(*attach::Attacher::open(pins_))), reconciler_(make_reconciler({60s}))
    {
        shell("ip link add veth_a type veth peer name veth_b");
        veth_ = if_nametoindex("veth_a");
    }
    ~Reconciling() override { shell("ip link delete veth_a 2>/dev/null || true"); }

    Reconciler make_reconciler(const Reconciler::Policy &policy)
    {
        return {pins_,
                *maps_,
                attacher_,
                states_,
                repairs_,
                policy,
                std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>())};
    }

    // As a plugin records a pod whose host veth has this ifindex.
    std::uint32_t record(podrtt_pod pod, std::uint32_t ifindex)
    {
        pod.host_ifindex = ifindex;
        char name[IF_NAMESIZE] = "";
        if (if_indextoname(ifindex, name))
            std::string(name).copy(pod.host_ifname, sizeof(pod.host_ifname) - 1);
        return record_pod(maps_->pods, maps_->settings, pod).value();
    }

    static bool attached(const char *interface = "veth_a")
    {
        const auto found = filters(static_cast<int>(if_nametoindex(interface)), Hook::ingress);
        return std::ranges::any_of(found, &attach::Filter::ours);
    }

    bool known(std::uint32_t id) { return maps_->pods.lookup(id)->has_value(); }

    std::map<std::string, std::uint64_t> samples_by_pod()
    {
        std::map<std::string, std::uint64_t> samples;
        const auto snapshot = Snapshot::take(*maps_);
        for (const auto &[series, histogram] : snapshot->pod_series)
            samples[series.pod] += histogram.count();
        return samples;
    }

    std::uint64_t samples_of_namespaces()
    {
        std::uint64_t samples = 0;
        const auto snapshot = Snapshot::take(*maps_);
        for (const auto &[series, histogram] : snapshot->namespace_series)
            samples += histogram.count();
        return samples;
    }

    attach::Attacher attacher_;
    AttachStates states_;
    Repairs repairs_;
    Reconciler reconciler_;
    std::uint32_t veth_;
    const Reconciler::Clock::time_point start_ = Reconciler::Clock::now();

    const AttachState by_clsact_ = {PODRTT_ATTACH_CLSACT, AttachProblem::none};
    const AttachState inside_ = {PODRTT_ATTACH_POD, AttachProblem::none};
    const AttachState one_direction_ = {PODRTT_ATTACH_CLSACT, AttachProblem::one_direction};
};

TEST_F(Reconciling, AttachesWhatAPluginHasLeftUndone)
{
    record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, AttachesAgainWhatSomebodyRemoved)
{
    record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    shell("tc qdisc delete dev veth_a clsact");
    ASSERT_FALSE(attached());
    reconciler_.reconcile(start_ + 301s);
    EXPECT_TRUE(attached());
}

TEST_F(Reconciling, AttachesAgainAtOnceWhenTheInterfaceHasChanged)
{
    record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    const auto before = repairs_.of(Repair::attached);
    shell("tc qdisc delete dev veth_a clsact");
    EXPECT_FALSE(reconciler_.look_again(1));
    EXPECT_TRUE(reconciler_.look_again(static_cast<int>(veth_)));
    reconciler_.reconcile(start_ + 1s);
    EXPECT_TRUE(attached());
    EXPECT_EQ(repairs_.of(Repair::attached), before + 1);
}

TEST_F(Reconciling, LeavesAloneWhatSomebodyElseKeepsRemoving)
{
    const auto id = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    unsigned times = 0;
    for (; attached() && times < 100; times++) {
        shell("tc qdisc delete dev veth_a clsact");
        reconciler_.look_again(static_cast<int>(veth_));
        reconciler_.reconcile(start_ + times * 10ms);
    }
    EXPECT_GT(times, 5u);
    EXPECT_LT(times, 30u);
    EXPECT_EQ(states_.all().at(id).reason(), std::string("contended"));
    reconciler_.reconcile(start_ + 10min); // the other one may have gone
    EXPECT_TRUE(attached());
    EXPECT_EQ(states_.all().at(id), by_clsact_);
}

// As the filter of a podrttd with another --pin-path.
TEST_F(Reconciling, DoesNotFightForEverWithAnotherPodrtt)
{
    const auto id = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    const auto own = filters(static_cast<int>(veth_), Hook::ingress).front();
    auto netlink = Netlink::open();
    const auto program = pins_.program(PODRTT_PROGRAM_FROM_POD);
    ASSERT_TRUE(netlink && program);
    unsigned times = 0;
    for (; filters(static_cast<int>(veth_), Hook::ingress).front().classid == own.classid && times < 100;
         times++) {
        attach::Additions additions(*netlink, static_cast<int>(veth_));
        ASSERT_TRUE(additions.put_filter(
            Hook::ingress,
            {own.priority, own.handle, program->get(), PODRTT_PROGRAM_FROM_POD, own.classid ^ 0x10000},
            true));
        ASSERT_TRUE(additions.send());
        reconciler_.look_again(static_cast<int>(veth_));
        reconciler_.reconcile(start_ + times * 10ms);
    }
    EXPECT_LT(times, 30u);
    EXPECT_EQ(states_.all().at(id).reason(), std::string("contended"));
}

// One owner a veth: two podrttds would each see a part.
TEST_F(Reconciling, LeavesAPodToAnotherPodrttdWhileThatRuns)
{
    const Pins others("/sys/fs/bpf/others");
    ASSERT_TRUE(load_datapath(others, {.flows = 1024, .histograms = 64, .pods = 64}));
    const auto owner = static_cast<std::uint32_t>(**others.settings()->lookup(PODRTT_SETTING_OWNER));
    auto theirs = attach::Attacher::open(others);
    ASSERT_TRUE(theirs);
    for (const podrtt_attach form : {PODRTT_ATTACH_CLSACT, PODRTT_ATTACH_TCX}) {
        if (form == PODRTT_ATTACH_TCX && !attach::observe(attacher_.netlink(), 1)->has_tcx)
            continue; // before Linux 6.6
        auto runs = announce_owner(owner);
        ASSERT_TRUE(runs);
        const int ifindex = static_cast<int>(veth_);
        ASSERT_TRUE(theirs->attach(*theirs->observe(ifindex), 1, form));
        const auto record_ = pod("shop", "web");
        const auto id = record(record_, veth_);
        auto reconciler = make_reconciler({60s, form, 0});
        for (int turn = 0; turn < 3; turn++) {
            reconciler.look_again(ifindex);
            reconciler.reconcile(start_ + turn * 400s);
        }
        EXPECT_EQ(theirs->pod_on(*theirs->observe(ifindex)), 1u);
        EXPECT_TRUE(theirs->is_in_place(*theirs->observe(ifindex), 1, form));
        EXPECT_EQ(states_.all().at(id).reason(), std::string("contended"));
        EXPECT_EQ(attacher_.is_attached(*maps_->pods.lookup(id).value()).error().code, EADDRINUSE);
        *runs = Fd(); // it has ended
        reconciler.reconcile(start_ + 2000s);
        EXPECT_TRUE(attacher_.is_in_place(*attacher_.observe(ifindex), id, form));
        EXPECT_EQ(states_.all().at(id), (AttachState{form, AttachProblem::none}));
        ASSERT_TRUE(attach::detach(attacher_.netlink(), ifindex));
        ASSERT_TRUE(maps_->pods.erase(id));
    }
    // Who wants to be inside the pod takes nothing away outside, either.
    auto runs = announce_owner(owner);
    const int ifindex = static_cast<int>(veth_);
    ASSERT_TRUE(theirs->attach(*theirs->observe(ifindex), 1, PODRTT_ATTACH_CLSACT));
    const auto id = record(pod("shop", "inside"), veth_);
    auto inside = make_reconciler({60s, PODRTT_ATTACH_POD, 0});
    inside.reconcile(start_);
    EXPECT_TRUE(theirs->is_in_place(*theirs->observe(ifindex), 1, PODRTT_ATTACH_CLSACT));
    EXPECT_EQ(states_.all().at(id).reason(), std::string("contended"));
    std::filesystem::remove_all(others.directory().parent_path());
}

TEST_F(Reconciling, StaysMeasuredWhereItsProgramsCannotComeFirst)
{
    const auto id = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    shell("tc filter add dev veth_a ingress pref 1 protocol ip bpf bytecode '1,6 0 0 0'"); // no room before
                                                                                           // it
    make_reconciler({.grace_period = 60s, .attach = PODRTT_ATTACH_CLSACT}).reconcile(start_ + 1s);
    EXPECT_EQ(states_.all().at(id), by_clsact_);
}

TEST_F(Reconciling, LeavesInterfacesAloneThatAreNoPods)
{
    reconciler_.reconcile(start_);
    EXPECT_FALSE(attached());
}

TEST_F(Reconciling, KeepsADeletedPodForTheGracePeriod)
{
    const auto id = record(pod("shop", "web"), no_such_interface);
    ASSERT_TRUE(maps_->histograms.update(key(id), samples(3)));
    reconciler_.reconcile(start_); // finds its interface gone
    ASSERT_TRUE(known(id));
    EXPECT_NE((*maps_->pods.lookup(id))->deleted, 0u);
    reconciler_.reconcile(start_ + 59s);
    EXPECT_TRUE(known(id));
    reconciler_.reconcile(start_ + 61s);
    EXPECT_FALSE(known(id));
    EXPECT_TRUE(samples_by_pod().empty());
    EXPECT_EQ(samples_of_namespaces(), 3u);
}

// DEL was called, and the plugins after podrtt have not removed the veth yet.
TEST_F(Reconciling, KeepsAPodWhoseInterfaceIsThereThoughItWasMarked)
{
    const auto id = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    ASSERT_TRUE(mark_deleted(maps_->pods, id, **maps_->pods.lookup(id)));
    reconciler_.look_at_all_again();
    reconciler_.reconcile(start_ + 1s);
    reconciler_.reconcile(start_ + 100s);
    EXPECT_TRUE(known(id));
    EXPECT_TRUE(attached());
}

// A sandbox that fails again and again is made again each time, on a new interface.
TEST_F(Reconciling, PredecessorsLeaveTheirSamplesToWhoHasTheirName)
{
    const auto living = record(pod("shop", "crashing"), veth_);
    for (int i = 0; i < 20; i++) {
        const auto id = record(pod("shop", "crashing", 1), no_such_interface);
        ASSERT_TRUE(maps_->histograms.update(key(id), samples(2)));
        reconciler_.reconcile(start_ + i * 2s);
    }
    reconciler_.reconcile(start_ + 42s);
    EXPECT_EQ(*maps_->pods.keys(), std::vector{living});
    EXPECT_EQ(maps_->histograms.entries()->size(), 1u);
    EXPECT_EQ(samples_by_pod(), (std::map<std::string, std::uint64_t>{{"crashing", 40}}));
}

TEST_F(Reconciling, KeepsOnePredecessorOfANameThatNobodyHas)
{
    for (int i = 0; i < 20; i++) {
        const auto id = record(pod("shop", "crashing", 1), no_such_interface);
        ASSERT_TRUE(maps_->histograms.update(key(id), samples(2)));
        reconciler_.reconcile(start_ + i * 2s);
    }
    reconciler_.reconcile(start_ + 42s);
    EXPECT_EQ(maps_->pods.entries()->size(), 1u);
    EXPECT_EQ(samples_by_pod(), (std::map<std::string, std::uint64_t>{{"crashing", 40}}));
}

TEST_F(Reconciling, ReportsTheFormOfAttachment)
{
    const auto id = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_);
    EXPECT_EQ(states_.all(), (AttachStates::ById{{id, by_clsact_}}));
    shell("ip link delete veth_a");
    reconciler_.reconcile(start_ + 1s);
    EXPECT_TRUE(states_.all().empty());
}

// An id that is given out again must not meet flows of its last owner, whose floors are samples like
// others.
TEST_F(Reconciling, FlowsOfAPodThatIsGoneLeaveWithTheirFloors)
{
    const auto gone = record(pod("shop", "web"), no_such_interface);
    const auto alive = record(pod("shop", "db"), veth_);
    auto table = MappedArray<podrtt_flow_set>::open(pins_.path(PODRTT_MAP_FLOWS));
    ASSERT_TRUE(table);
    const std::uint32_t sample = 31250; // 1 ms
    for (const auto &[set, id] : {std::pair(0, gone), std::pair(1, gone), std::pair(2, alive)}) {
        auto &flow = table->values()[static_cast<std::size_t>(set)].way[1];
        flow.key.pod = static_cast<__u16>(id);
        flow.key.protocol = 6;
        flow.floor[PODRTT_LEG_POD] = std::uint64_t{sample} << 32 | 1;
    }
    reconciler_.reconcile(start_);
    reconciler_.reconcile(start_ + 2s);
    EXPECT_EQ(table->values()[0].way[1].key.pod, 0);
    EXPECT_EQ(table->values()[1].way[1].key.pod, 0);
    EXPECT_EQ(table->values()[2].way[1].key.pod, alive);
    auto floors = maps_->histograms.lookup(key(gone, PODRTT_LEG_POD, PODRTT_KIND_FLOOR));
    ASSERT_TRUE(floors && *floors);
    EXPECT_EQ((**floors).bucket[podrtt_bucket(sample)], 2u);
    EXPECT_EQ((**floors).sum, 2'000'000u);
    EXPECT_FALSE(*maps_->histograms.lookup(key(alive, PODRTT_LEG_POD, PODRTT_KIND_FLOOR)));
}

TEST_F(Reconciling, WhoeverIsGoneLongestMakesRoom)
{
    const auto capacity = maps_->pods.capacity();
    std::vector<std::uint32_t> jobs;
    for (std::uint32_t i = 0; i < capacity - 1; i++) {
        if (i == capacity / 2)
            reconciler_.reconcile(start_); // finds the first half gone
        jobs.push_back(record(pod("ci", "job-" + std::to_string(i)), no_such_interface));
    }
    ASSERT_TRUE(maps_->histograms.update(key(jobs.front()), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(jobs.back()), samples(2)));
    const auto web = record(pod("shop", "web"), veth_);
    reconciler_.reconcile(start_ + 10s);
    reconciler_.reconcile(start_ + 12s); // within the grace period
    EXPECT_LE(maps_->pods.entries()->size(), capacity - capacity / 8);
    EXPECT_GE(maps_->pods.entries()->size(), capacity / 2); // no more than needed
    for (std::uint32_t i = capacity / 2; i < jobs.size(); i++)
        EXPECT_TRUE(known(jobs[i])) << "job-" << i << " went later than others";
    EXPECT_TRUE(known(web));
    EXPECT_EQ(samples_of_namespaces(), 5u);
    EXPECT_NE(record(pod("ci", "another"), no_such_interface), 0u);
}

TEST_F(Reconciling, BeyondTheLimitPodsAreOneThatNeverGoesBackwards)
{
    Reconciler limited = make_reconciler({.grace_period = 60s, .max_pods = 1});
    auto by_pod = [this] {
        const auto snapshot = Snapshot::take(*maps_, {.max_pods = 1});
        std::map<std::string, std::uint64_t> counts;
        for (const auto &[series, histogram] : snapshot->pod_series)
            counts[series.pod] += histogram.count();
        return counts;
    };
    const auto first = record(pod("shop", "first"), veth_);
    ASSERT_TRUE(maps_->histograms.update(key(first), samples(1)));
    limited.reconcile(start_);
    std::uint32_t later = 0;
    for (const char *name : {"later-1", "later-2"}) {
        later = record(pod("shop", name), no_such_interface);
        ASSERT_TRUE(maps_->histograms.update(key(later), samples(2)));
    }
    EXPECT_EQ(by_pod(), (std::map<std::string, std::uint64_t>{{"first", 1}})); // not decided yet
    limited.reconcile(start_ + 1s);
    const std::map<std::string, std::uint64_t> expected = {{"first", 1}, {PODRTT_OTHER, 4}};
    EXPECT_EQ(by_pod(), expected);
    limited.reconcile(start_ + 100s); // the two are collected
    EXPECT_FALSE(known(later));
    EXPECT_EQ(by_pod(), expected);
    limited.reconcile(start_ + 200s);
    EXPECT_EQ(by_pod(), expected);
}

// ---- pods with a network namespace ----------------------------------------------------------

class InNetns : public Reconciling, public WithNetns
{
protected:
    using WithNetns::SetUpTestSuite;
    using WithNetns::TearDownTestSuite;

    ~InNetns() override { shell("ip -all netns delete"); }

    // A pod whose host end is made inside and moved out, as Calico's and AWS' are: the ifindex is what the
    // test says, and is free again when the pod is gone.
    static void make_pod_with_moved_veth(const std::string &netns, std::uint32_t ifindex)
    {
        shell("ip netns add " + netns);
        shell("ip -n " + netns + " link add host0 index " + std::to_string(ifindex) +
              " type veth peer name eth0 index 2");
        shell("ip -n " + netns + " link set host0 netns " + std::to_string(getpid()));
        ASSERT_EQ(if_nametoindex("host0"), ifindex);
    }

    static void delete_pod(const std::string &netns)
    {
        shell("ip link delete host0");
        shell("ip netns delete " + netns);
    }

    // As the plugin does it.
    std::uint32_t add(podrtt_pod pod, const std::string &netns)
    {
        const std::string path = "/run/netns/" + netns;
        path.copy(pod.netns, sizeof(pod.netns) - 1);
        set_interface(pod, find_host_veth(Netns::open(path).value(), pod.ifname).value());
        const auto id = record_pod(maps_->pods, maps_->settings, pod).value();
        EXPECT_TRUE(attacher_.attach(attacher_.observe(static_cast<int>(pod.host_ifindex)).value(), id,
                                     PODRTT_ATTACH_AUTO));
        return id;
    }

    static std::uint32_t id_on(const char *interface)
    {
        const auto found = filters(static_cast<int>(if_nametoindex(interface)), Hook::ingress);
        return found.empty() ? 0 : found.front().classid & PODRTT_MAX_POD_ID;
    }

    static constexpr std::uint32_t ifindex_ = 900;
};

// Two pods in turn have one ifindex. The runtime may call DEL or not, and the plugin may be called for
// the second or not.
struct Turn {
    const char *name;
    bool del, add;
};

class OneIfindex : public InNetns, public testing::WithParamInterface<Turn>
{
};

TEST_P(OneIfindex, EachPodKeepsWhatIsItsOwn)
{
    make_pod_with_moved_veth("first", ifindex_);
    const auto first = add(pod("shop", "first"), "first");
    ASSERT_TRUE(maps_->histograms.update(key(first), samples(50)));
    reconciler_.reconcile(start_);
    if (GetParam().del) {
        ASSERT_TRUE(mark_deleted(maps_->pods, first, **maps_->pods.lookup(first)));
    }
    delete_pod("first");
    make_pod_with_moved_veth("second", ifindex_);
    std::uint32_t second = 0;
    if (GetParam().add) {
        second = add(pod("other", "second"), "second");
        EXPECT_NE(second, first);
    }
    // Whether the kernel's messages have been read by now or not, and after the daemon's restart.
    reconciler_.look_again(static_cast<int>(ifindex_));
    reconciler_.reconcile(start_ + 1s);
    make_reconciler({60s}).reconcile(start_ + 2s);
    EXPECT_EQ(id_on("host0"), second); // 0: nobody attached to it
    EXPECT_EQ(samples_by_pod(), (std::map<std::string, std::uint64_t>{{"first", 50}}));
    reconciler_.reconcile(start_ + 100s);
    EXPECT_FALSE(known(first));
    EXPECT_EQ(id_on("host0"), second);
    EXPECT_TRUE(samples_by_pod().empty());
    EXPECT_EQ(samples_of_namespaces(), 50u);
    EXPECT_EQ(known(second), GetParam().add);
    delete_pod("second");
}

INSTANTIATE_TEST_SUITE_P(, OneIfindex,
                         testing::Values(Turn{"del_and_add", true, true},
                                         Turn{"add_without_del", false, true},
                                         Turn{"del_without_add", true, false},
                                         Turn{"neither_del_nor_add", false, false}),
                         [](const auto &row) { return row.param.name; });

// The daemon was down, so it has seen neither the end of the first nor the beginning of the second.
TEST_F(InNetns, DaemonThatWasDownFindsTheSecondPodOfAnIfindex)
{
    make_pod_with_moved_veth("first", ifindex_);
    const auto first = add(pod("shop", "first"), "first");
    ASSERT_TRUE(maps_->histograms.update(key(first), samples(50)));
    delete_pod("first");
    make_pod_with_moved_veth("second", ifindex_);
    const auto second = add(pod("shop", "second"), "second");
    reconciler_.reconcile(start_);
    EXPECT_EQ(id_on("host0"), second);
    EXPECT_EQ(states_.all(), (AttachStates::ById{{second, by_clsact_}}));
    EXPECT_NE((*maps_->pods.lookup(first))->deleted, 0u);
    delete_pod("second");
}

// The path of a network namespace may mean another one by now.
TEST_F(InNetns, PathThatIsUsedAgainIsAnotherNamespace)
{
    make_pod_with_moved_veth("same", ifindex_);
    const auto first = add(pod("shop", "first"), "same");
    delete_pod("same");
    make_pod_with_moved_veth("same", ifindex_);
    reconciler_.reconcile(start_);
    EXPECT_EQ(id_on("host0"), 0u);
    EXPECT_NE((*maps_->pods.lookup(first))->deleted, 0u);
    delete_pod("same");
}

// A StatefulSet's pod comes back before its predecessor's DEL, on another veth.
TEST_F(InNetns, AddBeforeDelOfThePredecessorIsAnotherRecord)
{
    make_pod_with_moved_veth("old", ifindex_);
    const auto old = add(pod("data", "db-0"), "old");
    shell("ip link set host0 name host1");
    make_pod_with_moved_veth("new", ifindex_ + 1);
    const auto next = add(pod("data", "db-0"), "new");
    EXPECT_NE(next, old);
    EXPECT_EQ(id_on("host1"), old);
    EXPECT_EQ(id_on("host0"), next);
    ASSERT_TRUE(mark_deleted(maps_->pods, old, **maps_->pods.lookup(old)));
    shell("ip link delete host1");
    reconciler_.reconcile(start_);
    reconciler_.reconcile(start_ + 100s);
    EXPECT_EQ(id_on("host0"), next);
    EXPECT_EQ((*maps_->pods.lookup(next))->deleted, 0u);
    delete_pod("new");
}

// ---- pods of which one direction is seen ------------------------------------------------------

class OneWay : public InNetns
{
protected:
    OneWay()
    {
        shell("ip netns add pod");
        shell("ip link set veth_b netns pod");
    }

    // As the programs count them; of one direction by the parts of the peers.
    void count(std::uint32_t id, std::uint64_t seen, std::initializer_list<std::uint64_t> one_way)
    {
        podrtt_histogram counts = {};
        counts.bucket[PODRTT_MATCHING_TIMESTAMPS] = seen;
        std::ranges::copy(one_way, &counts.bucket[PODRTT_MATCHING_NONE]);
        EXPECT_TRUE(maps_->histograms.update(key(id, PODRTT_LEG_NETWORK, PODRTT_KIND_COUNTS), counts));
    }

    // With several peers, for as long as it takes: from a second after the start to eleven after it.
    void see_one_direction(std::uint32_t id)
    {
        count(id, 0, {1, 1});
        reconciler_.reconcile(start_ + 1s);
        EXPECT_NE(states_.all().at(id), one_direction_);
        count(id, 0, {2, 1});
        reconciler_.reconcile(start_ + 11s);
    }

    // A pod whose host veth shows one direction only.
    std::uint32_t record_one_way(const std::string &netns, const std::string &ifname = "veth_b")
    {
        podrtt_pod pod = Reconciling::pod("shop", "web");
        std::fill(std::begin(pod.ifname), std::end(pod.ifname), '\0');
        netns.copy(pod.netns, sizeof(pod.netns) - 1);
        ifname.copy(pod.ifname, sizeof(pod.ifname) - 1);
        return record(pod, veth_);
    }

    static std::vector<attach::Filter> filters_inside(Hook hook)
    {
        auto guard = NetnsGuard::enter(*Netns::open("/run/netns/pod"));
        return filters(static_cast<int>(if_nametoindex("veth_b")), hook);
    }
};

TEST_F(OneWay, PodIsMeasuredFromInside)
{
    const auto id = record_one_way("/run/netns/pod");
    ASSERT_TRUE(maps_->histograms.update(key(id), samples(3)));
    reconciler_.reconcile(start_);
    ASSERT_TRUE(attached());
    see_one_direction(id);
    EXPECT_FALSE(attached());
    const AttachStates::ById expected = {{id, inside_}};
    EXPECT_EQ(states_.all(), expected);
    EXPECT_EQ(sample_count(maps_->histograms.lookup(key(id))->value()), 3u);
    for (const auto &[hook, name] : {std::pair(Hook::egress, PODRTT_PROGRAM_FROM_POD),
                                     std::pair(Hook::ingress, PODRTT_PROGRAM_TO_POD)}) {
        ASSERT_EQ(filters_inside(hook).size(), 1u);
        EXPECT_EQ(filters_inside(hook).front().name, name);
        EXPECT_EQ(filters_inside(hook).front().classid & PODRTT_MAX_POD_ID, id);
    }

    // It stays so, also for the next daemon, and goes when its veth goes.
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(states_.all(), expected);
    make_reconciler({60s}).reconcile(start_ + 41s);
    EXPECT_EQ(states_.all(), expected);
    shell("ip link delete veth_a");
    reconciler_.reconcile(start_ + 42s);
    reconciler_.reconcile(start_ + 103s);
    EXPECT_FALSE(known(id));
}

TEST_F(OneWay, MoveThatFailsHalfwayLeavesNothingInside)
{
    shell("ip netns exec pod tc qdisc add dev veth_b clsact");
    shell("ip netns exec pod tc filter add dev veth_b ingress pref 1 protocol ip bpf bytecode '1,6 0 0 0'");
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    see_one_direction(id);
    EXPECT_EQ(states_.all(), (AttachStates::ById{{id, one_direction_}}));
    EXPECT_TRUE(attached());
    EXPECT_TRUE(filters_inside(Hook::egress).empty());
}

// Its path was kept; by now it may mean another pod, or the node.
TEST_F(OneWay, NetworkNamespaceOfSomebodyElseIsLeftAlone)
{
    shell("ip netns exec pod ip link add other type veth peer name other_peer");
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    ASSERT_TRUE(attached());
    podrtt_pod moved = **maps_->pods.lookup(id);
    std::fill(std::begin(moved.ifname), std::end(moved.ifname), '\0');
    std::string("other").copy(moved.ifname, sizeof(moved.ifname) - 1);
    ASSERT_TRUE(maps_->pods.update(id, moved));
    see_one_direction(id);
    EXPECT_EQ(states_.all(), (AttachStates::ById{{id, one_direction_}}));
    EXPECT_TRUE(attached());
    shell("ip netns exec pod tc filter show dev other ingress | grep -q podrtt && exit 1 || exit 0");
}

// As a daemon leaves it that is killed in between.
TEST_F(OneWay, MoveThatWasInterruptedIsFinished)
{
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    podrtt_pod pod = **maps_->pods.lookup(id);
    ASSERT_TRUE(attacher_.attach_inside(id, pod));
    pod.attach = PODRTT_ATTACH_POD;
    ASSERT_TRUE(maps_->pods.update(id, pod));
    ASSERT_TRUE(attached());
    make_reconciler({60s}).reconcile(start_ + 1s);
    EXPECT_FALSE(attached());
    EXPECT_EQ(states_.all(), (AttachStates::ById{{id, inside_}}));
}

TEST_F(OneWay, PodThatCannotBeEnteredIsReported)
{
    const auto id = record_one_way("/nonexistent/pod");
    reconciler_.reconcile(start_);
    see_one_direction(id);
    EXPECT_EQ(states_.all().at(id), one_direction_);
    EXPECT_TRUE(attached());
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(states_.all().at(id), one_direction_);

    count(id, 1, {2, 1}); // both directions again
    reconciler_.reconcile(start_ + 41s);
    reconciler_.reconcile(start_ + 42s);
    EXPECT_EQ(states_.all().at(id), by_clsact_);
}

TEST_F(OneWay, FewConnectionsOrThoseBetweenOthersMeanNothing)
{
    const auto id = record_one_way("/run/netns/pod");
    count(id, 0, {1, 0});
    reconciler_.reconcile(start_);
    count(id, 0, {1, 1});
    reconciler_.reconcile(start_ + 20s);
    count(id, 1, {2, 2});
    reconciler_.reconcile(start_ + 21s);
    count(id, 1, {3, 3});
    reconciler_.reconcile(start_ + 22s);
    count(id, 2, {9, 9});
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(states_.all().at(id), by_clsact_);
    EXPECT_TRUE(attached());
}

// It may be all that a hostile peer can do at a time.
TEST_F(OneWay, ManyAtOnceMeanNothing)
{
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    count(id, 0, {100, 100, 100, 100});
    reconciler_.reconcile(start_ + 1s);
    reconciler_.reconcile(start_ + 1h);
    EXPECT_EQ(states_.all().at(id), by_clsact_);
    EXPECT_TRUE(attached());
}

// What a predecessor has counted at its own veth.
TEST_F(OneWay, CountsOfAPredecessorMeanNothing)
{
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    podrtt_pod gone = **maps_->pods.lookup(id);
    gone.host_ifindex = 0;
    ASSERT_TRUE(maps_->pods.update(99, gone));
    count(99, 0, {50, 50, 50, 50});
    reconciler_.reconcile(start_ + 1s);
    EXPECT_FALSE(known(99));
    reconciler_.reconcile(start_ + 2s);
    count(id, 0, {51, 50, 50, 50});
    reconciler_.reconcile(start_ + 20s);
    reconciler_.reconcile(start_ + 40s);
    EXPECT_EQ(states_.all().at(id), by_clsact_);
}

TEST_F(OneWay, OnePeerAloneHasToBeSeenForLong)
{
    const auto id = record_one_way("/run/netns/pod");
    reconciler_.reconcile(start_);
    count(id, 0, {0, 1});
    reconciler_.reconcile(start_ + 1s);
    count(id, 0, {0, 100});
    reconciler_.reconcile(start_ + 299s);
    EXPECT_TRUE(attached());
    count(id, 0, {0, 101});
    reconciler_.reconcile(start_ + 301s);
    EXPECT_FALSE(attached());
    EXPECT_EQ(states_.all().at(id), inside_);
}

} // namespace
} // namespace podrtt
