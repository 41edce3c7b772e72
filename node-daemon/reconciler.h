// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>

#include "maps.h"
#include "netlink.h"
#include "pins.h"

namespace podrtt
{

// Keeps the kernel as the pods map says it should be: every pod that lives has the
// programs attached; a pod whose veth has been gone for the grace period is retired into
// its namespace's totals. Not thread-safe.
class Reconciler
{
public:
    using Clock = std::chrono::steady_clock;

    Reconciler(Pins pins, Maps &maps, Netlink netlink, Clock::duration grace_period,
               std::shared_ptr<spdlog::logger> log);

    // Goes once through all pods; to be called every second or so. What fails is logged,
    // and tried again the next time.
    void reconcile(Clock::time_point now);

private:
    void attach_programs(std::uint32_t id, const podrtt_pod &pod);
    void note_gone(std::uint32_t id, podrtt_pod pod, Clock::time_point now);
    void merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod);
    void retire(std::uint32_t id, const podrtt_pod &pod);
    void forget(std::uint32_t id);

    Pins pins_;
    Maps &maps_;
    Netlink netlink_;
    Clock::duration grace_period_;
    std::shared_ptr<spdlog::logger> log_;
    std::map<std::uint32_t, Clock::time_point> gone_since_; // pods whose veth is gone
    std::set<std::uint32_t> seen_;                          // pods looked at since the last sweep
    std::set<std::uint32_t> failing_; // pods that could not be attached, to log it once
    Clock::time_point next_sweep_;
};

} // namespace podrtt
