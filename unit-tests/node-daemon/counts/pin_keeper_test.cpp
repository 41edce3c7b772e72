// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/pin_keeper.h"

#include <unistd.h>

#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

class Pinned : public PinnedMaps
{
protected:
    Pinned() : keeper_(std::move(*PinKeeper::open(pins_))) {}

    std::uint64_t created_of_pod_7()
    {
        auto pods = pins_.pods();
        auto pod = pods ? pods->lookup(7) : std::unexpected(pods.error());
        return pod && *pod ? (*pod)->created : 0;
    }

    PinKeeper keeper_;
};

TEST_F(Pinned, PinsAgainWhatSomebodyRemoved)
{
    podrtt_pod web = pod("shop", "web");
    web.created = 42;
    ASSERT_TRUE(maps_->pods.update(7, web));
    EXPECT_EQ(keeper_.restore(), false);
    ASSERT_EQ(unlink(pins_.path(PODRTT_MAP_PODS).c_str()), 0);
    ASSERT_EQ(unlink(pins_.path(PODRTT_PROGRAM_TO_POD).c_str()), 0);
    EXPECT_EQ(keeper_.restore(), true);
    EXPECT_EQ(created_of_pod_7(), 42u);
    EXPECT_TRUE(pins_.program(PODRTT_PROGRAM_TO_POD));
    std::filesystem::remove_all(pins_.directory().parent_path());
    EXPECT_EQ(keeper_.restore(), true);
    EXPECT_EQ(created_of_pod_7(), 42u);
}

} // namespace
} // namespace podrtt
