// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>

namespace podrtt
{

// Whether to do again what somebody else has undone. A few times it is, then not for a while: who else
// wants the same place does it again for ever, and the two would keep the kernel busy with nothing else.
class Backoff
{
public:
    using Clock = std::chrono::steady_clock;

    static constexpr unsigned few = 10;
    static constexpr std::chrono::minutes period{1};
    static constexpr std::chrono::minutes pause{5};

    bool allows(Clock::time_point now)
    {
        if (now < paused_until_)
            return false;
        if (now - began_ >= period) {
            began_ = now;
            times_ = 0;
        }
        if (++times_ <= few)
            return true;
        paused_until_ = now + pause;
        return false;
    }

private:
    Clock::time_point began_{}; // this period
    unsigned times_ = 0;        // in it
    Clock::time_point paused_until_{};
};

} // namespace podrtt
