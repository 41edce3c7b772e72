// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/top.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "bpf/user/kinds.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class Top : public PinnedMaps
{
protected:
    std::string print(bool json)
    {
        std::ostringstream out;
        TopOptions options;
        options.json = json;
        EXPECT_TRUE(print_top(pins_, options, out));
        return out.str();
    }
};

// Every kind that has samples, and no other.
TEST_F(Top, ShowsEveryKindThatIsMeasured)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web")));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    for (const Kind &kind : kinds)
        ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, kind.kind), samples(3)));
    EXPECT_THAT(print(false), HasSubstr("PING"));
    EXPECT_THAT(print(false), HasSubstr("shop/web"));
    const auto series = nlohmann::json::parse(print(true));
    ASSERT_EQ(series.size(), std::size(kinds));
    for (std::size_t i = 0; i < std::size(kinds); i++)
        EXPECT_EQ(series[i]["kind"], kinds[i].name);
}

TEST_F(Top, OfNothingIsAHeading)
{
    EXPECT_THAT(print(false), HasSubstr("POD"));
    EXPECT_EQ(print(true), "[]\n");
}

} // namespace
} // namespace podrtt
