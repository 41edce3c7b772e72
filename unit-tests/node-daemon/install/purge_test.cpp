// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/purge.h"

#include <net/if.h>

#include <sstream>

#include "bpf/user/attach/attacher.h"
#include "node-daemon/counts/lock.h"
#include "unit-tests/support/pinned_maps.h"
#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

using attach::Hook;

class Purge : public PinnedMaps
{
protected:
    Purge()
    {
        shell("ip link add purge_a type veth peer name purge_b");
        shell("tc qdisc add dev purge_a clsact");
        shell("tc filter add dev purge_a ingress pref 100 protocol all bpf bytecode '1,6 0 0 0'");
        auto attacher = attach::Attacher::open(pins_);
        EXPECT_TRUE(
            attacher->attach(*attacher->observe(ifindex_ = static_cast<int>(if_nametoindex("purge_a"))), 7,
                             PODRTT_ATTACH_CLSACT));
    }
    ~Purge() override { shell("ip link delete purge_a"); }

    int ifindex_;
};

TEST_F(Purge, LeavesOthersAlone)
{
    ASSERT_EQ(filters(ifindex_, Hook::ingress).size(), 2u);
    std::ostringstream out;
    ASSERT_TRUE(purge(pins_, true, out));
    EXPECT_TRUE(std::filesystem::exists(pins_.directory()));
    ASSERT_TRUE(purge(pins_, false, out));
    ASSERT_EQ(filters(ifindex_, Hook::ingress).size(), 1u);
    EXPECT_FALSE(filters(ifindex_, Hook::ingress).front().ours());
    EXPECT_TRUE(filters(ifindex_, Hook::egress).empty());
    EXPECT_FALSE(std::filesystem::exists(pins_.directory().parent_path()));
    EXPECT_TRUE(purge(pins_, false, out)); // nothing is left to do
}

TEST_F(Purge, IsRefusedWhileADaemonIsRunning)
{
    auto lock = lock_directory(pins_.directory(), "");
    std::ostringstream out;
    auto purged = purge(pins_, false, out);
    ASSERT_FALSE(purged);
    EXPECT_NE(purged.error().message().find("is running"), std::string::npos);
    EXPECT_EQ(filters(ifindex_, Hook::ingress).size(), 2u);
}

} // namespace
} // namespace podrtt
