// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/install.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <thread>

#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;

TEST_F(Installation, IsUndoneToTheByte)
{
    for (const bool drop_in : {false, true}) {
        options_.entry.drop_in = drop_in;
        install();
        std::ostringstream out;
        ASSERT_TRUE(uninstall(options_, out));
        EXPECT_EQ(read(list_), list_text);
        EXPECT_FALSE(std::filesystem::exists(directory() / "bin/podrtt"));
        EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure"));
    }
}

TEST_F(Installation, RehearsalOfTheRemovalChangesNothing)
{
    install();
    const std::string before = read(list_);
    auto options = options_;
    options.dry_run = true;
    std::ostringstream out;
    ASSERT_TRUE(uninstall(options, out));
    EXPECT_EQ(read(list_), before);
    EXPECT_NE(out.str().find("-    {\"type\":\"podrtt\"}"), std::string::npos) << out.str();
    EXPECT_NE(out.str().find("# remove "), std::string::npos);
}

// Its writer may be about to put the entry into it that it had: then pods would want the file.
TEST_F(Installation, IsNotUndoneWhileAListIsWritten)
{
    install();
    const std::string whole = read(list_);
    write(list_, whole.substr(0, whole.size() / 2));
    std::ostringstream out;
    auto undone = uninstall(options_, out);
    ASSERT_FALSE(undone);
    EXPECT_THAT(undone.error().message(), HasSubstr("10-azure.conflist"));
    EXPECT_TRUE(std::filesystem::exists(directory() / "bin/podrtt"));
    write(list_, whole);
    EXPECT_TRUE(uninstall(options_, out));
    EXPECT_EQ(read(list_), list_text);
}

TEST_F(Installation, IsNotUndoneWhereSomebodyPutsTheEntryBack)
{
    install();
    const std::string with_entry = read(list_);
    options_.wait = std::chrono::seconds(1);
    std::jthread other([&] {
        while (read(list_) == with_entry)
            std::this_thread::yield();
        write(list_, with_entry);
    });
    std::ostringstream out;
    auto undone = uninstall(options_, out);
    ASSERT_FALSE(undone);
    EXPECT_THAT(undone.error().message(), HasSubstr("put the entry back"));
    EXPECT_TRUE(std::filesystem::exists(directory() / "bin/podrtt"));
}

TEST_F(Installation, EntryThatBreaksPodsLeavesThoughAnotherPutsItBackForEver)
{
    install();
    write(options_.plugin, "no program");
    std::ostringstream out;
    EXPECT_FALSE(podrtt::install(options_, out, [] { return false; }));
    EXPECT_EQ(read(list_), list_text);
}

TEST_F(Installation, WhatAKilledOneHasLeftDoesNotHinder)
{
    write(options_.entry.conf_dir / ".podrtt-changed", "");
    options_.entry.drop_in = true;
    install();
    EXPECT_TRUE(std::filesystem::exists(directory() / "net.d/azure/podrtt.conf"));
    EXPECT_FALSE(std::filesystem::exists(options_.entry.conf_dir / ".podrtt-changed"));
}

TEST_F(Installation, KeysOfTheOperatorStayWhenAnotherComesBehind)
{
    write(list_, R"({"name":"n","plugins":[{"type":"a"},{"type":"podrtt","pinPath":"/x"},{"type":"b"}]})");
    install();
    EXPECT_EQ(read(list_),
              R"({"name":"n","plugins":[{"type":"a"},{"type":"b"},{"pinPath":"/x","type":"podrtt"}]})");
}

TEST_F(Installation, PluginThatCannotBeRunIsMadeSo)
{
    install();
    std::filesystem::permissions(options_.bin_dir / "podrtt", std::filesystem::perms(0644));
    EXPECT_NE(check_installation(options_).missing, "");
    EXPECT_TRUE(check_installation(options_).breaks_pods);
    install();
    EXPECT_EQ(check_installation(options_).missing, "");
}

struct BadPlugin {
    const char *description;
    const char *text;
    const char *expected;
};

// Who has an entry, but cannot be run, breaks every pod.
TEST_F(Installation, EntryOfAPluginThatDoesNotWorkLeaves)
{
    const BadPlugin rows[] = {
        {"no program", "the plugin", "Exec format error"},
        {"of another machine's", "#!/no/such/interpreter\n", "No such file"},
        {"fails", "#!/bin/sh\nexit 3\n", "status 3"},
        {"is no plugin", "#!/bin/sh\necho hello\n", "VERSION"},
        {"of another protocol", "#!/bin/sh\necho '{\"supportedVersions\":[\"9.0.0\"]}'\n", "0.3.0"},
    };
    for (const bool drop_in : {false, true}) {
        options_.entry.drop_in = drop_in;
        for (const auto &[description, text, expected] : rows) {
            write(options_.plugin, plugin_text);
            install();
            write(options_.plugin, text);
            EXPECT_THAT(install_error(), HasSubstr(expected)) << description;
            EXPECT_EQ(read(list_), list_text) << description;
            EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure/podrtt.conf")) << description;
            EXPECT_THAT(check_installation(options_).missing, HasSubstr(expected)) << description;
            EXPECT_FALSE(check_installation(options_).breaks_pods) << description;
        }
    }
}

// The old one goes on to work.
TEST_F(Installation, EntryStaysWhereOnlyTheNewPluginCannotBePut)
{
    install();
    write(options_.plugin, std::string(plugin_text) + "#");
    std::filesystem::create_directory(options_.bin_dir / "podrtt.podrtt-new"); // in the way
    EXPECT_THAT(install_error(), HasSubstr("podrtt.podrtt-new"));
    EXPECT_THAT(read(list_), HasSubstr("podrtt"));
}

TEST_F(Installation, ListOfAVersionThatThePluginDoesNotSpeakHasNoEntry)
{
    for (const char *version : {"\"cniVersion\":\"1.9.0\"", "\"cniVersions\":[\"1.0.0\",\"1.9.0\"]"}) {
        const std::string plain = R"({"name":"n","plugins":[{"type":"a"}],"cniVersion":"1.0.0"})";
        write(list_, plain);
        install();
        std::string other = read(list_);
        other.replace(other.find("\"cniVersion\""), std::string("\"cniVersion\":\"1.0.0\"").size(),
                      version);
        write(list_, other);
        EXPECT_THAT(install_error(), HasSubstr("1.9.0"));
        EXPECT_THAT(read(list_), Not(HasSubstr("podrtt")));
    }
    for (const char *version : {"", "\"cniVersion\":\"\",", "\"cniVersion\":\"0.1.0\",",
                                "\"cniVersions\":[\"0.3.0\",\"1.0.0\"],"}) {
        write(list_, "{" + std::string(version) + R"("name":"n","plugins":[{"type":"a"}]})");
        install();
        EXPECT_THAT(read(list_), HasSubstr("podrtt")) << version;
    }
}

} // namespace
} // namespace podrtt
