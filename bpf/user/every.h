// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace podrtt
{

// Calls `act` at once, and then in these intervals until it is stopped.
template <typename Act>
void every(std::chrono::milliseconds interval, const std::stop_token &stop, const Act &act)
{
    std::mutex mutex;
    std::condition_variable_any stopped;
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
        act();
        stopped.wait_for(lock, stop, interval, [] { return false; });
    }
}

} // namespace podrtt
