// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "node-daemon/install/uninstall.h"
#include "unit-tests/support/directory.h"

namespace podrtt
{
namespace
{

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char *list_text =
    "{\n  \"name\": \"azure\",\n  \"cniVersion\": \"0.3.0\",\n  \"plugins\": [\n"
    "    {\"type\": \"azure-vnet\"},\n    {\"type\": \"portmap\"}\n  ]\n}\n";

class Installation : public TemporaryDirectory
{
protected:
    Installation()
    {
        std::filesystem::create_directories(directory() / "net.d");
        std::filesystem::create_directories(directory() / "bin");
        write(directory() / "plugin", "the plugin");
        write(list_, list_text);
        options_.conf_dir = directory() / "net.d";
        options_.bin_dir = directory() / "bin";
        options_.plugin = directory() / "plugin";
        options_.runtime.clear();
        options_.wait = {};
    }

    std::vector<std::string> planned()
    {
        std::vector<std::string> paths;
        auto changes = plan_install(options_);
        EXPECT_TRUE(changes) << changes.error().message();
        for (const auto &change : *changes)
            paths.push_back((change.after ? "+" : "-") +
                            change.path.lexically_relative(directory()).string());
        return paths;
    }

    std::string dry_run()
    {
        std::ostringstream out;
        auto options = options_;
        options.dry_run = true;
        EXPECT_TRUE(podrtt::install(options, out));
        return out.str();
    }

    void install()
    {
        std::ostringstream out;
        auto installed = podrtt::install(options_, out);
        EXPECT_TRUE(installed) << installed.error().message();
    }

    const std::filesystem::path list_ = directory() / "net.d/10-azure.conflist";
    InstallOptions options_;
};

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

TEST_F(Installation, IsUndoneToTheByte)
{
    for (const bool drop_in : {false, true}) {
        options_.drop_in = drop_in;
        install();
        std::ostringstream out;
        ASSERT_TRUE(uninstall(options_, out));
        EXPECT_EQ(read(list_), list_text);
        EXPECT_FALSE(std::filesystem::exists(directory() / "bin/podrtt"));
        EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure"));
    }
}

TEST_F(Installation, WithoutAListIsRefusedWithTheReason)
{
    write(list_, "{\"name\": \"azure\", \"plug");
    auto changes = plan_install(options_);
    ASSERT_FALSE(changes);
    EXPECT_THAT(changes.error().message(), HasSubstr("10-azure.conflist"));
}

TEST_F(Installation, FileThatSomebodyElseHasWrittenMeanwhileStays)
{
    auto changes = plan_install(options_);
    ASSERT_TRUE(changes);
    write(list_, "another's");
    std::ostringstream out;
    auto applied = apply_changes(*changes, out);
    ASSERT_FALSE(applied);
    EXPECT_THAT(applied.error().message(), HasSubstr("somebody else"));
    EXPECT_EQ(read(list_), "another's");
    EXPECT_FALSE(std::filesystem::exists(list_.string() + ".podrtt-new"));
}

} // namespace
} // namespace podrtt
