// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/deadline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

namespace podrtt::cni
{
namespace
{

using testing::HasSubstr;
using namespace std::chrono_literals;

TEST(Within, SucceedsWithTheWork)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    EXPECT_TRUE(within(10s, [&]() -> Result<void> {
        EXPECT_EQ(write(ends[1], "x", 1), 1);
        return {};
    }));
    char done;
    EXPECT_EQ(read(ends[0], &done, 1), 1); // it was really done
}

TEST(Within, HandsOnTheReasonOfAFailure)
{
    auto done = within(10s, []() -> Result<void> { return failure("open", "/nowhere", ENOENT); });
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().reason, "open /nowhere: No such file or directory");
    EXPECT_EQ(done.error().code, ENOENT);
}

TEST(Within, EndsAtTheDeadlineThoughTheWorkHangs)
{
    auto start = std::chrono::steady_clock::now();
    auto done = within(50ms, []() -> Result<void> {
        pause();
        return {};
    });
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message(), HasSubstr("50 ms"));
    EXPECT_EQ(done.error().code, ETIMEDOUT);
    EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
}

TEST(Within, ACrashIsAnError)
{
    auto done = within(10s, []() -> Result<void> {
        raise(SIGKILL);
        return {};
    });
    ASSERT_FALSE(done);
    EXPECT_THAT(done.error().message(), HasSubstr("signal 9"));
}

// A runtime reads the plugin's stdout and stderr to their ends, so a child left behind
// must not keep them open.
TEST(Within, TheChildHoldsNoneOfTheStandardFiles)
{
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    int saved = dup(STDERR_FILENO);
    dup2(ends[1], STDERR_FILENO);
    close(ends[1]);
    auto done = within(50ms, []() -> Result<void> {
        pause();
        return {};
    });
    dup2(saved, STDERR_FILENO);
    close(saved);
    char byte;
    EXPECT_EQ(read(ends[0], &byte, 1), 0); // the end: nobody holds it any more
    EXPECT_FALSE(done);
}

} // namespace
} // namespace podrtt::cni
