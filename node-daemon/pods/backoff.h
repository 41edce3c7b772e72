// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace podrtt
{

// Whether to do again what somebody else has undone. A few times it is, then once after each pause: who
// else wants the same place does it again for ever, and the two would keep the kernel busy with nothing
// else.
class Backoff
{
public:
    using Clock = std::chrono::steady_clock;

    static constexpr unsigned few = 10;
    static constexpr std::chrono::minutes period{1};
    static constexpr std::chrono::minutes pause{5};

    explicit Backoff(Clock::duration between = pause) : between_(between) {}

    bool allows(Clock::time_point now)
    {
        if (now < paused_until_)
            return false;
        if (times_ > few) { // after a pause
            began_ = now;
            times_ = few - 1;
        }
        if (now - began_ >= period) {
            began_ = now;
            times_ = 0;
        }
        if (++times_ <= few)
            return true;
        paused_until_ = now + between_;
        return false;
    }

private:
    Clock::duration between_;
    Clock::time_point began_{}; // this period
    unsigned times_ = 0;        // in it
    Clock::time_point paused_until_{};
};

} // namespace podrtt
