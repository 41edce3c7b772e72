// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/file_change.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "node-daemon/counts/lock.h"
#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class Changes : public TemporaryDirectory
{
protected:
    std::string apply(std::optional<std::string> before, std::optional<std::string> after)
    {
        std::ostringstream out;
        auto applied = apply_changes({{file_, std::move(before), std::move(after), 0600, ""}}, out);
        EXPECT_FALSE(std::filesystem::exists(file_.string() + ".podrtt-new"));
        return applied ? "" : applied.error().message();
    }

    const std::filesystem::path file_ = directory() / "file";
};

// Its temporary file would be taken for ours, and ours for its own.
TEST_F(Changes, WaitForAnotherPodrttd)
{
    write(file_, "before");
    {
        const auto other = lock_directory(directory(), "a test");
        EXPECT_THAT(apply("before", "after"), HasSubstr("another podrttd"));
        EXPECT_THAT(apply("before", std::nullopt), HasSubstr("another podrttd"));
        EXPECT_EQ(read(file_), "before");
    }
    EXPECT_EQ(apply("before", "after"), "");
    EXPECT_EQ(read(file_), "after");
}

TEST_F(Changes, LeaveWhatSomebodyElseHasWrittenMeanwhile)
{
    write(file_, "another's");
    for (const auto &[before, after] :
         {std::pair<std::optional<std::string>, std::optional<std::string>>("theirs", "ours"),
          {std::nullopt, "ours"},
          {"theirs", std::nullopt}}) {
        EXPECT_THAT(apply(before, after), HasSubstr("somebody else"));
        EXPECT_EQ(read(file_), "another's");
    }
}

TEST_F(Changes, LeaveWhatSomebodyElseHasRemoved)
{
    EXPECT_THAT(apply("theirs", "ours"), HasSubstr("somebody else"));
    EXPECT_FALSE(std::filesystem::exists(file_));
    EXPECT_EQ(apply("theirs", std::nullopt), "");
}

TEST_F(Changes, LeaveWhatSomebodyElseIsWriting)
{
    write(file_, "theirs");
    std::ofstream writer(file_, std::ios::app);
    EXPECT_THAT(apply("theirs", "ours"), HasSubstr("somebody else"));
    EXPECT_THAT(apply("theirs", std::nullopt), HasSubstr("somebody else"));
    writer << ", longer";
    writer.close();
    EXPECT_EQ(read(file_), "theirs, longer");
    EXPECT_EQ(apply("theirs, longer", "ours"), "");
}

// A rename that falls between a look and a rename of ours.
TEST_F(Changes, LoseNoRenameOfAnotherWriter)
{
    using namespace std::chrono_literals;
    write(file_, "0");
    std::vector<std::string> lost;
    std::atomic<bool> done = false;
    std::jthread writer([&] {
        for (int i = 1; i <= 3000 && lost.empty(); i++) {
            const std::string text = std::to_string(i);
            write(directory() / "theirs", text);
            std::filesystem::rename(directory() / "theirs", file_);
            const auto end = std::chrono::steady_clock::now() + 20s;
            for (std::string seen; seen != text && seen != text + "+"; seen = read(file_))
                if (std::chrono::steady_clock::now() > end) {
                    lost.push_back(text);
                    break;
                }
        }
        done = true;
    });
    while (!done) {
        const std::string before = read(file_);
        std::ostringstream out;
        if (!before.ends_with("+"))
            static_cast<void>(apply_changes({{file_, before, before + "+", 0600, ""}}, out).has_value());
    }
    EXPECT_THAT(lost, testing::IsEmpty());
}

TEST_F(Changes, AreMadeWhereALinkPoints)
{
    std::filesystem::create_directory(directory() / "elsewhere");
    write(directory() / "elsewhere/file", "theirs");
    std::filesystem::create_symlink("elsewhere/file", file_);
    EXPECT_EQ(apply("theirs", "ours"), "");
    EXPECT_EQ(std::filesystem::read_symlink(file_), "elsewhere/file");
    EXPECT_EQ(read(directory() / "elsewhere/file"), "ours");
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(directory() / "elsewhere"), {}), 1);
}

TEST_F(Installation, LinkAtTheTemporaryNameIsNotFollowed)
{
    const auto victim = options_.entry.conf_dir / "victim";
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
