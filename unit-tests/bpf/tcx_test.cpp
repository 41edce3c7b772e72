// SPDX-License-Identifier: Apache-2.0
#include "tcx.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>

#include "attachment.h"
#include "datapath.h"

namespace podrtt
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

    Tcx() : netlink_(std::move(*Netlink::open()))
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

    static void shell(const std::string &command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

    // At the head, as an agent does that comes later.
    void add_foreign()
    {
        LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = 1u << 3);
        ASSERT_EQ(bpf_prog_attach_opts(foreign_.get(), ifindex_, tcx_ingress, &options), 0);
    }

    std::vector<std::string> names()
    {
        std::vector<std::string> names;
        const auto programs = list_tcx(ifindex_, Hook::ingress);
        for (const auto &program : *programs)
            names.push_back(program.name);
        return names;
    }

    bool filtered() { return !list_filters(netlink_, ifindex_, Hook::ingress)->empty(); }

    static inline const Pins pins{"/sys/fs/bpf/podrtt"};
    Netlink netlink_;
    int ifindex_ = 0;
    Fd foreign_;
};

TEST_F(Tcx, IsNotUsedWhereNobodyUsesIt)
{
    EXPECT_EQ(attach(netlink_, pins, ifindex_), PODRTT_ATTACH_CLSACT);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_TRUE(filtered());
}

TEST_F(Tcx, OursIsFirstWhereOthersUseIt)
{
    add_foreign();
    EXPECT_EQ(attach(netlink_, pins, ifindex_), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_from_pod", "foreign"));
    EXPECT_FALSE(filtered());
}

TEST_F(Tcx, OursMovesThereWhenOthersCome)
{
    ASSERT_EQ(attach(netlink_, pins, ifindex_), PODRTT_ATTACH_CLSACT);
    add_foreign();
    EXPECT_EQ(attach(netlink_, pins, ifindex_), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_from_pod", "foreign"));
    EXPECT_FALSE(filtered());
}

TEST_F(Tcx, OursGoesBeforeThoseThatCameLater)
{
    ASSERT_EQ(attach(netlink_, pins, ifindex_, PODRTT_ATTACH_TCX), PODRTT_ATTACH_TCX);
    add_foreign();
    ASSERT_THAT(names(), ElementsAre("foreign", "podrtt_from_pod"));
    EXPECT_TRUE(attach(netlink_, pins, ifindex_));
    EXPECT_THAT(names(), ElementsAre("podrtt_from_pod", "foreign"));
}

TEST_F(Tcx, UpgradeReplacesTheProgramInItsPlace)
{
    add_foreign();
    ASSERT_TRUE(attach(netlink_, pins, ifindex_));
    const auto before = list_tcx(ifindex_, Hook::ingress)->front().id;
    ASSERT_TRUE(load_datapath(pins, {.flows = 1024, .histograms = 64, .pods = 64}));
    EXPECT_TRUE(attach(netlink_, pins, ifindex_));
    EXPECT_THAT(names(), ElementsAre("podrtt_from_pod", "foreign"));
    EXPECT_NE(list_tcx(ifindex_, Hook::ingress)->front().id, before);
}

TEST_F(Tcx, ForcedToClsactItGoes)
{
    ASSERT_TRUE(attach(netlink_, pins, ifindex_, PODRTT_ATTACH_TCX));
    EXPECT_EQ(attach(netlink_, pins, ifindex_, PODRTT_ATTACH_CLSACT), PODRTT_ATTACH_CLSACT);
    EXPECT_THAT(names(), IsEmpty());
    EXPECT_TRUE(filtered());
}

TEST_F(Tcx, HelpsWhereClsactHasNoRoom)
{
    shell("tc qdisc add dev veth_a ingress");
    EXPECT_EQ(attach(netlink_, pins, ifindex_), PODRTT_ATTACH_TCX);
    EXPECT_THAT(names(), ElementsAre("podrtt_from_pod"));
    EXPECT_THAT(*is_attached(static_cast<std::uint32_t>(ifindex_), {}), true);
}

TEST_F(Tcx, DetachLeavesOthers)
{
    add_foreign();
    ASSERT_TRUE(attach(netlink_, pins, ifindex_));
    ASSERT_TRUE(detach(netlink_, ifindex_));
    EXPECT_THAT(names(), ElementsAre("foreign"));
    EXPECT_THAT(*is_attached(static_cast<std::uint32_t>(ifindex_), {}), false);
}

class PodIds : public testing::Test
{
protected:
    static podrtt_pod pod(const std::string &container_id, std::uint32_t host_ifindex)
    {
        podrtt_pod pod = {};
        container_id.copy(pod.container_id, sizeof(pod.container_id) - 1);
        pod.host_ifindex = host_ifindex;
        return pod;
    }

    PodIds()
    {
        EXPECT_TRUE(load_datapath(pins_, {.flows = 1024, .histograms = 64, .pods = 64}));
        pods_ = std::make_unique<Map<std::uint32_t, podrtt_pod>>(std::move(*pins_.pods()));
    }
    ~PodIds() override
    {
        const auto ids = pods_->keys();
        for (const auto &id : *ids)
            EXPECT_TRUE(pods_->erase(id));
    }

    Pins pins_{"/sys/fs/bpf/podrtt"};
    std::unique_ptr<Map<std::uint32_t, podrtt_pod>> pods_;
};

TEST_F(PodIds, InsideAreNoInterfaceNumbersAndFitAClassid)
{
    for (std::uint32_t ifindex : {1u, 65534u, 65535u, 65536u, 1u << 30}) {
        auto id = add_in_pod(*pods_, pod(std::to_string(ifindex), ifindex));
        ASSERT_TRUE(id);
        EXPECT_TRUE(*id & PODRTT_ID_IN_POD);
        EXPECT_NE(*id & PODRTT_MAX_CLASSID, 0u);
        EXPECT_EQ(*id & ~(PODRTT_ID_IN_POD | PODRTT_MAX_CLASSID), 0u);
    }
}

TEST_F(PodIds, InsideAreTheSameForTheSameAttachmentOnly)
{
    auto first = add_in_pod(*pods_, pod("a", 7));
    auto again = add_in_pod(*pods_, pod("a", 7));
    auto other = add_in_pod(*pods_, pod("b", 7 + PODRTT_MAX_CLASSID)); // the same number to begin with
    ASSERT_TRUE(first && again && other);
    EXPECT_EQ(*first, *again);
    EXPECT_NE(*first, *other);
}

} // namespace
} // namespace podrtt
