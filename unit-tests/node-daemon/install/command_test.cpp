// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/command.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;
using testing::HasSubstr;

Result<std::string> shell(const std::string &script, std::chrono::milliseconds deadline = 60s)
{
    return run_command({{"/bin/sh", "-c", script}, {"NAME=value", "PATH=/bin:/usr/bin"}, "the input"},
                       deadline);
}

TEST(Commands, GetInputAndEnvironment)
{
    EXPECT_EQ(shell("printf '%s ' \"$NAME\"; cat"), "value the input");
}

TEST(Commands, ThatFailSayHow)
{
    EXPECT_THAT(shell("exit 3").error().message(), HasSubstr("/bin/sh: it ended with status 3"));
    EXPECT_THAT(shell("kill -TERM $$").error().message(), HasSubstr("signal 15"));
    EXPECT_EQ(run_command({{"/nonexistent"}}, 60s).error().code, ENOENT);
    EXPECT_EQ(run_command({{"/etc/passwd"}}, 60s).error().code, EACCES);
}

TEST(Commands, ThatDoNotEndAreKilled)
{
    for (const char *script : {"exec sleep 1000", "exec sleep 1000 >&-", "yes"})
        EXPECT_EQ(shell(script, 200ms).error().code, ETIMEDOUT) << script;
}

// A child of it has the other end of the pipe.
TEST(Commands, AreNotWaitedForLongerThanTheyRun)
{
    EXPECT_EQ(shell("sleep 1000 & echo done"), "done\n");
}

TEST(Commands, OutputIsBounded)
{
    EXPECT_EQ(shell("head -c 1000000 /dev/zero")->size(), 65536u);
}

TEST(Commands, GetSignalsThatAreBlockedHere)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    EXPECT_THAT(shell("kill -TERM $$; echo alive").error().message(), HasSubstr("signal 15"));
    pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

} // namespace
} // namespace podrtt
