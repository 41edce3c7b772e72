// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;

TEST_F(Installation, IsTheFileAndThenTheEntry)
{
    EXPECT_THAT(planned(), ElementsAre("+bin/podrtt", "+net.d/10-azure.conflist"));
    install();
    EXPECT_THAT(planned(), ElementsAre());
}

TEST_F(Installation, ByADropInLeavesTheList)
{
    options_.drop_in = true;
    EXPECT_THAT(planned(), ElementsAre("+bin/podrtt", "+net.d/azure/podrtt.conf"));
    install();
    EXPECT_THAT(planned(), ElementsAre());
    options_.drop_in = false; // to the list, and away with the other
    EXPECT_THAT(planned(), ElementsAre("+net.d/10-azure.conflist", "-net.d/azure/podrtt.conf"));
    install();
    EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure"));
    EXPECT_THAT(planned(), ElementsAre());
}

// What a rehearsal prints, patch(1) does.
TEST_F(Installation, DiffIsOneThatPatchTakes)
{
    for (const bool drop_in : {false, true}) {
        for (const char *text : {list_text, R"({"name":"azure","plugins":[{"type":"a"}]})"}) {
            write(list_, text);
            options_.drop_in = drop_in;
            write(directory() / "diff", dry_run());
            EXPECT_EQ(read(list_), text);
            const std::string command = "cd / && patch --quiet -p0 <" + (directory() / "diff").string();
            ASSERT_EQ(std::system(command.c_str()), 0) << read(directory() / "diff");
            EXPECT_THAT(planned(), ElementsAre("+bin/podrtt"));
            std::filesystem::remove_all(directory() / "net.d/azure");
        }
    }
    EXPECT_THAT(dry_run(), HasSubstr("# copy "));
}

TEST_F(Installation, WithoutAListIsRefusedWithTheReason)
{
    write(list_, "{\"name\": \"azure\", \"plug");
    auto changes = plan_install(options_);
    ASSERT_FALSE(changes);
    EXPECT_THAT(changes.error().message(), HasSubstr("10-azure.conflist"));
}

} // namespace
} // namespace podrtt
