// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/signals.h"

#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>

namespace podrtt
{

Result<Fd> take_signals(std::initializer_list<int> signals)
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : signals)
        sigaddset(&set, signal);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::signal(SIGPIPE, SIG_IGN);
    Fd fd(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd)
        return failure("wait for", "signals", errno);
    return fd;
}

} // namespace podrtt
