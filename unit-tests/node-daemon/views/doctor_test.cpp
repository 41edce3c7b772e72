// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/doctor.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class Doctor : public PinnedMaps
{
protected:
    Doctor() { nowhere_.entry.conf_dir = nowhere_.bin_dir = "/nonexistent"; }

    std::string report()
    {
        std::ostringstream out;
        healthy_ = doctor(pins_, {.installation = nowhere_}, out).has_value();
        return out.str();
    }

    InstallOptions nowhere_;
    bool healthy_ = false;
};

TEST_F(Doctor, FailsAndSaysWhatToDo)
{
    maps_->add_dropped(PODRTT_DROP_ADD_FAILED, 2);
    maps_->add_dropped(PODRTT_DROP_FRAGMENT, 2);
    const std::string said = report();
    EXPECT_FALSE(healthy_);
    EXPECT_THAT(said, HasSubstr("FAIL  podrttd does not run"));
    EXPECT_THAT(said, HasSubstr("-> "));
    EXPECT_THAT(said, HasSubstr("2 pods that the plugin failed to attach to"));
    EXPECT_THAT(said, testing::Not(HasSubstr("fragment"))); // harms nobody
}

TEST_F(Doctor, LoadsAProgramToSeeThatItCan)
{
    EXPECT_THAT(report(), HasSubstr("ok    the kernel takes BPF programs"));
}

TEST_F(Doctor, SaysTheSameToScripts)
{
    std::ostringstream out;
    EXPECT_FALSE(doctor(pins_, {.installation = nowhere_, .json = true}, out));
    const auto findings = nlohmann::json::parse(out.str());
    ASSERT_TRUE(findings.is_array());
    const auto found = std::ranges::find(findings, "podrttd does not run",
                                         [](const auto &finding) { return finding.at("what"); });
    ASSERT_NE(found, findings.end());
    EXPECT_EQ((*found)["level"], "fail");
    EXPECT_NE((*found)["advice"], "");
}

TEST_F(Doctor, NamesAPodThatIsNotMeasured)
{
    podrtt_pod web = pod("shop", "web");
    web.host_ifindex = 4711; // there is no such interface
    ASSERT_TRUE(maps_->pods.update(5, web));
    EXPECT_THAT(report(), HasSubstr("FAIL  shop/web"));
}

} // namespace
} // namespace podrtt
