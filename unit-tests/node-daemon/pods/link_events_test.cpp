// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/link_events.h"

#include <gtest/gtest.h>
#include <net/if.h>

#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

class Events : public testing::Test
{
protected:
    Events()
    {
        shell("ip link add events_a type veth peer name events_b && ip link set events_a up");
        interface_ = static_cast<int>(if_nametoindex("events_a"));
        EXPECT_TRUE(events_);
        events_->take();
    }
    ~Events() override { shell("ip link delete events_a 2>/dev/null || true"); }

    bool told() { return events_->take().interfaces.contains(interface_); }

    Result<LinkEvents> events_ = LinkEvents::open();
    int interface_;
};

TEST_F(Events, TellOfNothingWhenNothingHappens)
{
    const auto changes = events_->take();
    EXPECT_TRUE(changes.interfaces.empty());
    EXPECT_FALSE(changes.overrun);
}

TEST_F(Events, TellOfEveryStepThatEndsAnAttachment)
{
    shell("tc qdisc add dev events_a clsact");
    EXPECT_TRUE(told());
    shell("tc filter add dev events_a ingress bpf bytecode '1,6 0 0 0'");
    EXPECT_TRUE(told());
    shell("tc filter delete dev events_a ingress");
    EXPECT_TRUE(told());
    shell("tc qdisc delete dev events_a clsact");
    EXPECT_TRUE(told());
    shell("ip link delete events_a");
    EXPECT_TRUE(told());
}

TEST_F(Events, TellThatSomeWereLost)
{
    shell("for i in $(seq 4000); do echo link set events_a alias $i; done | ip -batch -");
    EXPECT_TRUE(events_->take().overrun);
    shell("ip link set events_a alias again");
    EXPECT_TRUE(told()); // it goes on
}

} // namespace
} // namespace podrtt
