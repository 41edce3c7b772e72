// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <initializer_list>
#include <stop_token>
#include <thread>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// Blocks these signals, so that they are waited for where nothing is half done, and returns a signalfd
// that reads them; ignores SIGPIPE. Must be called before other threads start, so that they inherit the
// mask.
Result<Fd> take_signals(std::initializer_list<int> signals);

// Does nothing until one of these signals comes.
Result<void> wait_for_any(std::initializer_list<int> signals);

// Ends the process (status 1) when it has not ended by itself so long after SIGTERM or SIGINT: whoever
// should have taken the signal, or works towards the end, may hang in a file system that does not answer.
// Nothing is lost by it, as nothing is by SIGKILL.
class EndGuard
{
public:
    explicit EndGuard(std::chrono::milliseconds patience);

    void begin(); // the signal has been taken

private:
    void watch(const std::stop_token &stop);

    const std::chrono::milliseconds patience_;
    std::atomic<bool> begun_ = false;
    std::jthread thread_;
};

} // namespace podrtt
