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
    options_.entry.drop_in = true;
    EXPECT_THAT(planned(), ElementsAre("+bin/podrtt", "+net.d/azure/podrtt.conf"));
    install();
    EXPECT_THAT(planned(), ElementsAre());
    options_.entry.drop_in = false; // to the list, and away with the other
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
            options_.entry.drop_in = drop_in;
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

struct First {
    const char *name;
    const char *text;
    bool entry_leaves; // of the list behind it
};

// Runtimes take the first by name of all configurations.
TEST_F(Installation, OfWhatComesBeforeTheListCountsTheFirst)
{
    const First rows[] = {
        {"00-loopback.conf", R"({"name":"lo","type":"loopback"})", true},
        {"00.json", R"({"name":"lo","type":"loopback"})", true},
        {"00.json", R"({"name":"n","plugins":[{"type":"a"}]})", true}, // no list by its extension
        {"00-torn.conflist", R"({"name":"n","plu)", false},
        {"00-empty.conflist", "", false},
        {"00.conflist", R"({"name":"n","plugins":[]})", false},
        {"00.conflist", R"({"name":"a/b","plugins":[{"type":"a"}]})", false},
        {"00.conflist", R"({"name":"n","cniVersion":1,"plugins":[{"type":"a"}]})", false},
        {"00.conflist", R"({"name":"n","plugins":[{"kind":"a"}]})", false},
    };
    for (const auto &[name, text, entry_leaves] : rows) {
        install();
        const std::string with_entry = read(list_);
        write(options_.entry.conf_dir / name, text);
        EXPECT_THAT(install_error(), HasSubstr(name));
        EXPECT_EQ(read(options_.entry.conf_dir / name), text);
        EXPECT_EQ(read(list_), entry_leaves ? list_text : with_entry) << name << ": " << text;
        write(list_, list_text);
        EXPECT_NE(install_error(), "");
        EXPECT_EQ(read(list_), list_text) << name << ": " << text;
        std::filesystem::remove(options_.entry.conf_dir / name);
    }
}

TEST_F(Installation, IgnoresWhatRuntimesIgnore)
{
    write(options_.entry.conf_dir / "00.conflist.old", list_text);
    write(options_.entry.conf_dir / "00", list_text);
    std::filesystem::create_directory(options_.entry.conf_dir / "00.conf");
    write(options_.entry.conf_dir / "20.conf", R"({"name":"lo","type":"loopback"})");
    install();
    EXPECT_THAT(read(list_), HasSubstr("podrtt"));
}

TEST_F(Installation, EntryMovesToTheListThatComesFirst)
{
    install();
    const auto other = options_.entry.conf_dir / "05-cilium.conflist";
    write(other, list_text);
    install();
    EXPECT_EQ(read(list_), list_text);
    EXPECT_THAT(read(other), HasSubstr("podrtt"));
    options_.entry.drop_in = true;
    install();
    write(other, R"({"name":"cilium","plugins":[{"type":"a"}]})");
    install();
    EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure"));
    EXPECT_TRUE(std::filesystem::exists(directory() / "net.d/cilium/podrtt.conf"));
}

TEST_F(Installation, WithoutAListIsRefusedWithTheReason)
{
    write(list_, "{\"name\": \"azure\", \"plug");
    EXPECT_THAT(install_error(), HasSubstr("10-azure.conflist"));
    std::filesystem::remove(list_);
    EXPECT_THAT(install_error(), HasSubstr("there is none"));
    options_.entry.conf_dir = "/nonexistent";
    EXPECT_THAT(install_error(), HasSubstr("/nonexistent"));
}

} // namespace
} // namespace podrtt
