// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/signals.h"

#include <gtest/gtest.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

namespace podrtt
{
namespace
{

TEST(Signals, AreReadInsteadOfDelivered)
{
    auto signals = take_signals({SIGUSR1});
    ASSERT_TRUE(signals);
    raise(SIGUSR1);
    signalfd_siginfo signal = {};
    ASSERT_EQ(read(signals->get(), &signal, sizeof(signal)), static_cast<ssize_t>(sizeof(signal)));
    EXPECT_EQ(signal.ssi_signo, static_cast<std::uint32_t>(SIGUSR1));
    EXPECT_EQ(read(signals->get(), &signal, sizeof(signal)), -1); // and nothing more
}

// In a process of its own, which takes no signal.
int status_after(const std::function<void(EndGuard &)> &act)
{
    const pid_t child = fork();
    if (child == 0) {
        static_cast<void>(take_signals({SIGTERM}).has_value());
        EndGuard guard(std::chrono::milliseconds(100));
        act(guard);
        std::this_thread::sleep_for(std::chrono::seconds(60));
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST(EndGuards, EndAProcessThatTakesNoSignal)
{
    EXPECT_EQ(status_after([](EndGuard & /*guard*/) { kill(getpid(), SIGTERM); }), 1);
}

TEST(EndGuards, EndAProcessThatDoesNotComeToItsEnd)
{
    EXPECT_EQ(status_after([](EndGuard &guard) { guard.begin(); }), 1);
}

TEST(EndGuards, DoNothingElse)
{
    EXPECT_EQ(status_after([](EndGuard & /*guard*/) {
                  std::this_thread::sleep_for(std::chrono::milliseconds(500));
                  _exit(7);
              }),
              7);
}

} // namespace
} // namespace podrtt
