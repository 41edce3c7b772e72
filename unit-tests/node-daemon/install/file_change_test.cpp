// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/file_change.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <sstream>

#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

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

TEST_F(Installation, LinkAtTheTemporaryNameIsNotFollowed)
{
    const auto victim = options_.conf_dir / "victim";
    write(victim, "theirs");
    std::filesystem::create_symlink(victim, list_.string() + ".podrtt-new");
    install();
    EXPECT_EQ(read(victim), "theirs");
    EXPECT_THAT(read(list_), HasSubstr("podrtt"));
}

TEST_F(Installation, ModeOfAFileStays)
{
    std::filesystem::permissions(list_, std::filesystem::perms(0640));
    install();
    EXPECT_EQ(std::filesystem::status(list_).permissions(), std::filesystem::perms(0640));
    EXPECT_EQ(std::filesystem::status(options_.bin_dir / "podrtt").permissions(),
              std::filesystem::perms(0755));
}

struct Diff {
    const char *description;
    std::optional<std::string> before, after;
    const char *expected;
};

TEST(Diffs, AreUnified)
{
    const Diff rows[] = {
        {"a line in the middle", "a\nb\nc\n", "a\nx\nc\n",
         "--- f\n+++ f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
        {"three lines of context", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n6\n7\n8\n9\n",
         "--- f\n+++ f\n@@ -2,7 +2,6 @@\n 2\n 3\n 4\n-5\n 6\n 7\n 8\n"},
        {"a new file", std::nullopt, "a\n", "--- /dev/null\n+++ f\n@@ -0,0 +1,1 @@\n+a\n"},
        {"a file that goes", "a\n", std::nullopt, "--- f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"},
        {"no newline at the end", "a\nb", "a\nb\n",
         "--- f\n+++ f\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n"},
    };
    for (const auto &[description, before, after, expected] : rows) {
        std::ostringstream out;
        print_diff({{"f", before, after, 0600, ""}}, out);
        EXPECT_EQ(out.str(), expected) << description;
    }
}

} // namespace
} // namespace podrtt
