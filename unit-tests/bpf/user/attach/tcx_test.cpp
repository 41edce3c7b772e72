// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/attach/tcx.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/utsname.h>

#include <cstdio>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/datapath.h"
#include "unit-tests/support/system.h"

namespace podrtt::attach
{
namespace
{

using testing::ElementsAre;
using testing::IsEmpty;

constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);

bool kernel_has_tcx()
{
    utsname name;
    int major = 0, minor = 0;
    uname(&name);
    std::sscanf(name.release, "%d.%d", &major, &minor);
    return major > 6 || (major == 6 && minor >= 6);
}

// A veth, the data path's programs, and a program of somebody else's.
class Tcx : public testing::Test
{
protected:
    static void SetUpTestSuite()
    {
        ASSERT_TRUE(load_datapath(pins, {.flows = 1024, .histograms = 64, .pods = 64}));
    }

    Tcx() : attacher_(std::move(*Attacher::open(pins)))
    {
        if (!kernel_has_tcx())
            return;
        shell("ip link add veth_a type veth peer name veth_b");
        ifindex_ = static_cast<int>(if_nametoindex("veth_a"));
        const bpf_insn unspec[] = {{BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, -1},
                                   {BPF_JMP | BPF_EXIT, 0, 0, 0, 0}};
        foreign_ = Fd(bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "foreign", "GPL", unspec, 2, nullptr));
    }
    ~Tcx() override
    {
        if (kernel_has_tcx())
            shell("ip link delete veth_a");
    }
    void SetUp() override
    {
        if (!kernel_has_tcx())
            GTEST_SKIP() << "TCX came with Linux 6.6";
    }

    // At the head, as an agent does that comes later.
    void add_foreign()
    {
        LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = 1u << 3);
        ASSERT_EQ(bpf_prog_attach_opts(foreign_.get(), ifindex_, tcx_ingress, &options), 0);
    }

    Result<podrtt_attach> attach(podrtt_attach form = PODRTT_ATTACH_AUTO, std::uint32_t id = 7)
    {
        auto view = attacher_.observe(ifindex_);
        return view ? attacher_.attach(*view, id, form) : std::unexpected(view.error());
    }

    std::vector<std::string> names() const { return tcx_names(ifindex_, Hook::ingress); }
    bool filtered() const { return !filters(ifindex_, Hook::ingress).empty(); }
    bool has_own() { return attacher_.observe(ifindex_)->has_own(); }

    static inline const Pins pins{"/sys/fs/bpf/podrtt"};
    Attacher attacher_;
    int ifindex_ = 0;
    Fd foreign_;
};

TEST_F(Tcx, IsNotUsedWhereNobodyUsesIt)
{
    EXPECT_EQ(attach(), PODRTT_ATTACH_CLSACT);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_TRUE(filtered());
}

TEST_F(Tcx, OursIsFirstWhereOthersUseIt)
{
    add_foreign();
    EXPECT_EQ(attach(), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_tcx_from", "foreign"));
    EXPECT_FALSE(filtered());
}

TEST_F(Tcx, OursMovesThereWhenOthersCome)
{
    ASSERT_EQ(attach(), PODRTT_ATTACH_CLSACT);
    add_foreign();
    EXPECT_EQ(attach(), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_tcx_from", "foreign"));
    EXPECT_FALSE(filtered());
}

TEST_F(Tcx, OursGoesBeforeThoseThatCameLater)
{
    ASSERT_EQ(attach(PODRTT_ATTACH_TCX), PODRTT_ATTACH_TCX);
    add_foreign();
    ASSERT_THAT(names(), ElementsAre("foreign", "podrtt_tcx_from"));
    EXPECT_TRUE(attach());
    EXPECT_THAT(names(), ElementsAre("podrtt_tcx_from", "foreign"));
}

TEST_F(Tcx, UpgradeReplacesTheProgramInItsPlace)
{
    add_foreign();
    ASSERT_TRUE(attach());
    const auto before = list_tcx(ifindex_, Hook::ingress)->programs.front().id;
    ASSERT_TRUE(load_datapath(pins, {.flows = 1024, .histograms = 64, .pods = 64}));
    attacher_ = std::move(*Attacher::open(pins));
    EXPECT_TRUE(attach());
    EXPECT_THAT(names(), ElementsAre("podrtt_tcx_from", "foreign"));
    EXPECT_NE(list_tcx(ifindex_, Hook::ingress)->programs.front().id, before);
}

TEST_F(Tcx, ForcedToClsactItGoes)
{
    ASSERT_TRUE(attach(PODRTT_ATTACH_TCX));
    EXPECT_EQ(attach(PODRTT_ATTACH_CLSACT), PODRTT_ATTACH_CLSACT);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_TRUE(filtered());
}

TEST_F(Tcx, HelpsWhereClsactHasNoRoom)
{
    shell("tc qdisc add dev veth_a ingress");
    EXPECT_EQ(attach(), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_tcx_from"));
    EXPECT_TRUE(has_own());
}

TEST_F(Tcx, DetachLeavesOthers)
{
    add_foreign();
    ASSERT_TRUE(attach());
    ASSERT_TRUE(detach(attacher_.netlink(), ifindex_));
    EXPECT_THAT(names(), ElementsAre("foreign"));
    EXPECT_FALSE(has_own());
}

// Its programs look the pod up by the interface.
TEST_F(Tcx, InterfaceNamesThePod)
{
    ASSERT_TRUE(attach(PODRTT_ATTACH_TCX, 7));
    EXPECT_EQ(attacher_.pod_on(*attacher_.observe(ifindex_)), 7u);
    ASSERT_TRUE(attach(PODRTT_ATTACH_TCX, 8));
    EXPECT_EQ(attacher_.pod_on(*attacher_.observe(ifindex_)), 8u);
    podrtt_pod pod = {};
    pod.host_ifindex = static_cast<std::uint32_t>(ifindex_);
    ASSERT_TRUE(attacher_.forget_interface(7, pod)); // it is another's by now
    EXPECT_EQ(attacher_.pod_on(*attacher_.observe(ifindex_)), 8u);
    ASSERT_TRUE(attacher_.forget_interface(8, pod));
    EXPECT_EQ(attacher_.pod_on(*attacher_.observe(ifindex_)), std::nullopt);
}

} // namespace
} // namespace podrtt::attach
