// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <mutex>

#include "node-daemon/web/web_config.h"

namespace podrtt
{

// A bucket of requests, which fills by one each interval. Thread-safe.
class RateLimit
{
public:
    using Clock = std::chrono::steady_clock;

    // Whether one more may come; `config` may be another each time.
    bool admits(const RateLimitConfig &config, Clock::time_point now)
    {
        if (config.interval.count() == 0)
            return true;
        const std::lock_guard lock(mutex_);
        // When the bucket was, or will be, empty: each request moves it by an interval.
        empty_ = std::max(empty_, now - config.interval * config.burst);
        if (empty_ + config.interval > now)
            return false;
        empty_ += config.interval;
        return true;
    }

private:
    std::mutex mutex_;
    Clock::time_point empty_;
};

} // namespace podrtt
