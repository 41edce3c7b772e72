// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/attach/clsact.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/datapath.h"
#include "unit-tests/support/system.h"

namespace podrtt::attach
{
namespace
{

using testing::ElementsAre;

constexpr std::uint32_t few = 1024;

// A veth, and the data path's programs to attach to it.
class Filters : public testing::Test
{
protected:
    static void SetUpTestSuite() { ASSERT_TRUE(load_datapath(pins, {.flows = few})); }

    Filters() : attacher_(std::move(*Attacher::open(pins)))
    {
        shell("ip link add veth_a type veth peer name veth_b");
        ifindex_ = static_cast<int>(if_nametoindex("veth_a"));
    }
    ~Filters() override { shell("ip link delete veth_a"); }

    // Another's filter, by iproute2.
    static void add_foreign(const std::string &how)
    {
        shell("tc qdisc add dev veth_a clsact 2>/dev/null || true");
        shell("tc filter add dev veth_a ingress " + how);
    }

    Result<podrtt_attach> attach(podrtt_attach form = PODRTT_ATTACH_AUTO, std::uint32_t id = 7)
    {
        auto view = attacher_.observe(ifindex_);
        return view ? attacher_.attach(*view, id, form) : std::unexpected(view.error());
    }

    void attach_programs()
    {
        auto attached = attach();
        ASSERT_TRUE(attached) << attached.error().message();
    }

    std::vector<Filter> ingress() const { return filters(ifindex_, Hook::ingress); }

    std::vector<std::string> ingress_kinds()
    {
        std::vector<std::string> kinds;
        for (const auto &filter : ingress())
            kinds.push_back(filter.ours() ? "ours" : filter.kind);
        return kinds;
    }

    static inline const Pins pins{"/sys/fs/bpf/clsact_test"};
    Attacher attacher_;
    int ifindex_;
};

TEST_F(Filters, NoneWithoutClsact)
{
    EXPECT_TRUE(ingress().empty());
}

TEST_F(Filters, AttachesBothDirections)
{
    attach_programs();
    for (auto [hook, name] : {std::pair(Hook::ingress, PODRTT_PROGRAM_FROM_POD),
                              std::pair(Hook::egress, PODRTT_PROGRAM_TO_POD)}) {
        const auto found = filters(ifindex_, hook);
        ASSERT_EQ(found.size(), 1u);
        EXPECT_TRUE(found.front().ours());
        EXPECT_EQ(found.front().name, name);
        EXPECT_EQ(found.front().classid & PODRTT_MAX_POD_ID, 7u);
    }
}

TEST_F(Filters, AttachedAgainChangesNothing)
{
    attach_programs();
    auto before = ingress();
    attach_programs();
    auto after = ingress();
    ASSERT_EQ(after.size(), 1u);
    EXPECT_EQ(after.front().program_id, before.front().program_id);
}

TEST_F(Filters, NewProgramReplacesTheOldOneInItsPlace)
{
    attach_programs();
    auto before = ingress();
    ASSERT_TRUE(load_datapath(pins, {.flows = few}));
    attacher_ = std::move(*Attacher::open(pins));
    attach_programs();
    auto after = ingress();
    ASSERT_EQ(after.size(), 1u);
    EXPECT_NE(after.front().program_id, before.front().program_id);
    EXPECT_EQ(after.front().priority, before.front().priority);
    EXPECT_EQ(after.front().handle, before.front().handle);
}

TEST_F(Filters, OursRunsBeforeOthersOfHigherPriority)
{
    add_foreign("pref 100 protocol all bpf bytecode '1,6 0 0 0'");
    attach_programs();
    EXPECT_THAT(ingress_kinds(), ElementsAre("ours", "bpf"));
    EXPECT_EQ(ingress().front().priority, 99);
}

TEST_F(Filters, OursRunsBeforeAnotherBpfFilterOfTheFirstPriority)
{
    // As Cilium's: priority 1, handle 1.
    add_foreign(std::string("pref 1 handle 1 bpf direct-action object-pinned ") +
                pins.path(PODRTT_PROGRAM_TO_POD));
    attach_programs();
    const auto found = ingress();
    ASSERT_EQ(found.size(), 2u);
    EXPECT_TRUE(found[0].ours());
    EXPECT_EQ(found[0].priority, 1);
    EXPECT_EQ(found[1].handle, 1u);
    EXPECT_FALSE(found[1].ours());
}

// Both filters would run for what comes in.
TEST_F(Filters, LeavesNothingOnAnIngressQdiscThatHasComeMeanwhile)
{
    const auto view = attacher_.observe(ifindex_);
    shell("tc qdisc add dev veth_a ingress");
    const auto attached = attacher_.attach(*view, 7, PODRTT_ATTACH_CLSACT);
    ASSERT_FALSE(attached);
    EXPECT_EQ(attached.error().code, EBUSY);
    EXPECT_TRUE(ingress().empty());
}

// What the CNI plugin bandwidth leaves. It would run the program for egress at ingress.
TEST_F(Filters, IngressQdiscInThePlaceOfClsactIsNamed)
{
    shell("tc qdisc add dev veth_a ingress");
    auto attached = attach(PODRTT_ATTACH_CLSACT);
    ASSERT_FALSE(attached);
    EXPECT_THAT(attached.error().message(), testing::HasSubstr("\"ingress\""));
    EXPECT_TRUE(ingress().empty());
}

TEST_F(Filters, PriorityOneOfAnotherProtocolIsNamed)
{
    add_foreign("pref 1 protocol ip bpf bytecode '1,6 0 0 0'");
    auto attached = attach(PODRTT_ATTACH_CLSACT);
    ASSERT_FALSE(attached);
    EXPECT_THAT(attached.error().message(), testing::HasSubstr("priority 1"));
}

TEST_F(Filters, TwoThatAttachAtOnceBothSucceed)
{
    for (int round = 0; round < 20; round++) {
        ASSERT_TRUE(detach(attacher_.netlink(), ifindex_));
        Result<podrtt_attach> results[2];
        auto work = [&](int i) {
            auto attacher = Attacher::open(pins);
            results[i] = attacher->attach(*attacher->observe(ifindex_), 7, PODRTT_ATTACH_AUTO);
        };
        std::thread other(work, 1);
        work(0);
        other.join();
        for (const auto &result : results)
            ASSERT_TRUE(result) << result.error().message();
        EXPECT_EQ(ingress().size(), 1u);
    }
}

// Cilium's agent comes up after podrtt, its filter ends the chain.
TEST_F(Filters, AttachedAgainGoesBeforeFiltersThatCameLater)
{
    attach_programs();
    add_foreign("pref 500 protocol all bpf bytecode '1,6 0 0 0'");
    ASSERT_THAT(ingress_kinds(), ElementsAre("bpf", "ours"));
    attach_programs();
    EXPECT_THAT(ingress_kinds(), ElementsAre("ours", "bpf"));
}

TEST_F(Filters, AttachedAgainGoesBeforeLaterFiltersOfPriorityOne)
{
    attach_programs();
    for (const char *handle : {"1", "2", "3"}) {
        add_foreign(std::string("pref 1 handle ") + handle + " protocol all bpf bytecode '1,6 0 0 0'");
        ASSERT_EQ(ingress_kinds().front(), "bpf");
        attach_programs();
        EXPECT_EQ(ingress_kinds().front(), "ours");
        EXPECT_EQ(std::ranges::count(ingress_kinds(), "ours"), 1);
    }
}

TEST_F(Filters, DetachTakesOursAndLeavesOthersAndTheQdisc)
{
    add_foreign("pref 100 protocol all bpf bytecode '1,6 0 0 0'");
    attach_programs();
    ASSERT_TRUE(detach(attacher_.netlink(), ifindex_));
    EXPECT_THAT(ingress_kinds(), ElementsAre("bpf"));
    shell("tc qdisc show dev veth_a clsact | grep -q clsact");
}

TEST_F(Filters, DetachOfWhatIsNotAttachedIsNoError)
{
    EXPECT_TRUE(detach(attacher_.netlink(), ifindex_));
}

TEST_F(Filters, AnothersFilterUnderOurHandleIsNotOurs)
{
    add_foreign("pref 100 handle 0x706f6472 protocol all bpf bytecode '1,6 0 0 0'");
    attach_programs();
    EXPECT_THAT(ingress_kinds(), ElementsAre("ours", "bpf"));
    ASSERT_TRUE(detach(attacher_.netlink(), ifindex_));
    EXPECT_THAT(ingress_kinds(), ElementsAre("bpf"));
}

TEST_F(Filters, FilterOfAnotherPodIsReplacedInItsPlace)
{
    ASSERT_TRUE(attach(PODRTT_ATTACH_CLSACT, 7));
    ASSERT_TRUE(attach(PODRTT_ATTACH_CLSACT, 8));
    ASSERT_EQ(ingress().size(), 1u);
    EXPECT_EQ(attacher_.pod_on(*attacher_.observe(ifindex_)), 8u);
}

// Ids of other maps, such as those of a daemon before the pins were lost, mean other pods.
TEST_F(Filters, FilterOfOtherMapsNamesNoPod)
{
    ASSERT_TRUE(attach(PODRTT_ATTACH_CLSACT, 7));
    const Pins others("/sys/fs/bpf/clsact_test_others");
    ASSERT_TRUE(load_datapath(others, {.flows = few}));
    auto attacher = std::move(*Attacher::open(others));
    EXPECT_EQ(attacher.pod_on(*attacher.observe(ifindex_)), std::nullopt);
    EXPECT_TRUE(attacher.observe(ifindex_)->has_own());
    std::filesystem::remove_all(others.directory().parent_path());
}

TEST_F(Filters, InterfaceThatIsGoneIsAViewOfNothing)
{
    auto view = attacher_.observe(4711);
    ASSERT_TRUE(view);
    EXPECT_FALSE(view->exists());
    EXPECT_FALSE(view->has_own());
    auto attached = attacher_.attach(*view, 7, PODRTT_ATTACH_AUTO);
    ASSERT_FALSE(attached);
    EXPECT_NE(attached.error().message().find("4711"), std::string::npos);
}

} // namespace
} // namespace podrtt::attach
