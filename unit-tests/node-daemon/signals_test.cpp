// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/signals.h"

#include <gtest/gtest.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>

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

} // namespace
} // namespace podrtt
