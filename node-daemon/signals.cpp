// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/signals.h"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>

#include "bpf/user/every.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::milliseconds look_interval{200};

} // namespace

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

Result<void> wait_for_any(std::initializer_list<int> signals)
{
    auto fd = take_signals(signals);
    if (!fd)
        return std::unexpected(fd.error());
    pollfd waiting = {fd->get(), POLLIN, 0};
    while (poll(&waiting, 1, -1) < 0)
        if (errno != EINTR)
            return failure("wait for", "signals", errno);
    return {};
}

EndGuard::EndGuard(std::chrono::milliseconds patience)
    : patience_(patience), thread_([this](const std::stop_token &stop) { watch(stop); })
{
}

void EndGuard::begin()
{
    begun_ = true;
}

void EndGuard::watch(const std::stop_token &stop)
{
    using Clock = std::chrono::steady_clock;
    std::optional<Clock::time_point> since;
    every(look_interval, stop, [&] {
        sigset_t pending;
        sigpending(&pending);
        if (!begun_ && !sigismember(&pending, SIGTERM) && !sigismember(&pending, SIGINT))
            return;
        since = since.value_or(Clock::now());
        if (Clock::now() - *since >= patience_) {
            spdlog::error("not at the end {} s after the signal; ended now", patience_.count() / 1000);
            _exit(1);
        }
    });
}

} // namespace podrtt
