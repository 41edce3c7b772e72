// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <set>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

// Namespaces that have totals, and no pods any more. After a grace period their totals are summed up in
// PODRTT_GONE, so that the series of a node do not grow with every namespace that it has ever seen, and
// sums over namespaces never fall. Not thread-safe.
class GoneNamespaces
{
public:
    using Clock = std::chrono::steady_clock;

    explicit GoneNamespaces(Clock::duration grace_period) : grace_period_(grace_period) {}

    void set_grace_period(Clock::duration grace_period) { grace_period_ = grace_period; }

    // To be called often; looks once a minute, from the first call on. Where the map of totals is nearly
    // full, nobody is given grace.
    Result<void> retire(Maps &maps, const Pins &pins, Clock::time_point now);

private:
    Clock::duration grace_period_;
    std::map<std::string, Clock::time_point> since_;
    Clock::time_point next_;
};

} // namespace podrtt
