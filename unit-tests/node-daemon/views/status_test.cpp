// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/status.h"

#include <gmock/gmock.h>

#include <sstream>

#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class NodeStatus : public PinnedMaps
{
protected:
    NodeStatus()
    {
        podrtt_pod web = pod("shop", "web");
        web.host_ifindex = 4711; // there is no such interface
        EXPECT_TRUE(maps_->pods.update(5, web));
        EXPECT_TRUE(maps_->pods.update(6, pod("shop", "gone", 1)));
        EXPECT_TRUE(maps_->histograms.update(key(5), samples(3)));
        maps_->add_dropped(PODRTT_DROP_ADD_FAILED, 2);
        nowhere_.entry.conf_dir = nowhere_.bin_dir = "/nonexistent";
    }

    InstallOptions nowhere_;
};

TEST_F(NodeStatus, SaysWhichPodsAreNotMeasured)
{
    auto status = Status::take(pins_, nowhere_);
    ASSERT_TRUE(status);
    ASSERT_EQ(status->pods.size(), 1u);
    EXPECT_EQ(status->pods[0].pod, "web");
    EXPECT_FALSE(status->pods[0].attached);
    EXPECT_FALSE(status->daemon_runs);
    EXPECT_NE(status->plugin.missing, "");
    EXPECT_EQ(status->samples, 3u);
    std::ostringstream out;
    EXPECT_EQ(podrtt::status(pins_, {.installation = nowhere_, .json = false}, out), false);
    EXPECT_THAT(out.str(), HasSubstr("not measured: shop/web"));
    EXPECT_THAT(out.str(), HasSubstr("2 pods that the plugin failed to attach to"));
}

} // namespace
} // namespace podrtt
