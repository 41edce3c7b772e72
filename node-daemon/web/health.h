// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>

namespace podrtt
{

// Whether the daemon does its work: told by the loop that does it, asked by the server.
// Thread-safe.
class Health
{
public:
    using Clock = std::chrono::steady_clock;

    // A pass over all pods has ended.
    void beat(Clock::time_point now) { last_ = now.time_since_epoch().count(); }

    // There was a pass: every known pod is attached, or the metrics say why not.
    bool ready() const { return last_ != 0; }

    // Passes go on; there should be one a second.
    bool alive(Clock::time_point now) const
    {
        return ready() && now - Clock::time_point(Clock::duration(last_)) < std::chrono::seconds(10);
    }

private:
    std::atomic<Clock::rep> last_ = 0;
};

} // namespace podrtt
