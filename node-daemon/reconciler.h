// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "attachments.h"
#include "fd.h"
#include "maps.h"
#include "netlink.h"
#include "pins.h"
#include "repairs.h"
#include "snapshot.h"

namespace podrtt
{

// Keeps the kernel as the pods map says it should be: every pod that lives has the
// programs attached; one whose packets pass in one direction only gets them inside; a pod
// whose veth has been gone for the grace period is retired into its namespace's totals.
// Not thread-safe.
class Reconciler
{
public:
    using Clock = std::chrono::steady_clock;

    struct Policy {
        Clock::duration grace_period;
        podrtt_attach attach = PODRTT_ATTACH_AUTO;
        unsigned max_pods = 0; // with series of their own; 0: all
    };

    // `maps`, `attachments` and `repairs` must outlive the reconciler.
    Reconciler(Pins pins, Maps &maps, Attachments &attachments, Repairs &repairs, Netlink netlink,
               const Policy &policy, std::shared_ptr<spdlog::logger> log);

    // Goes once through all pods; to be called every few seconds. What fails is logged,
    // and tried again the next time.
    // Returns whether every pod that lives has this daemon's programs.
    bool reconcile(Clock::time_point now);

    // Something has changed at an interface: the next call looks at the pod there, which it
    // else does only now and then. False if no pod is there.
    bool look_again(int ifindex);
    void look_at_all_again() { seen_.clear(); }

private:
    using Pods = std::vector<std::pair<std::uint32_t, podrtt_pod>>;

    bool is_alive(std::uint32_t id, const podrtt_pod &pod) const;
    void sweep(Clock::time_point now);
    void decide_names(Pods &pods);
    void collect(const std::map<PodName, std::map<std::uint32_t, podrtt_pod>> &gone,
                 const std::set<PodName> &living, Clock::time_point now);
    void collect_other(std::uint32_t id, const podrtt_pod &pod, Clock::time_point now);
    bool attach_programs(std::uint32_t id, const podrtt_pod &pod); // false if the id is no more
    void note_repair(std::uint32_t id, const podrtt_pod &pod);
    bool is_one_way(std::uint32_t id) const;
    Result<podrtt_attach> attach_pod(std::uint32_t id, const podrtt_pod &pod);
    Result<podrtt_attach> move_into_pod(std::uint32_t id, const podrtt_pod &pod);
    void watch_directions(std::uint32_t id, const podrtt_pod &pod);
    void note_gone(std::uint32_t id, podrtt_pod pod, Clock::time_point now);
    void merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod);
    void retire(std::uint32_t id, const podrtt_pod &pod);
    void forget_merged(std::uint32_t from, std::uint32_t to);
    void forget(std::uint32_t id);

    Pins pins_;
    Maps &maps_;
    Attachments &attachments_;
    Repairs &repairs_;
    Netlink netlink_;
    Policy policy_;
    Fd socket_; // to ask for interfaces
    std::shared_ptr<spdlog::logger> log_;
    std::set<std::pair<std::string, std::string>>
        inside_; // container id and interface of pods attached inside
    std::map<std::uint32_t, Clock::time_point> gone_since_; // pods whose veth is gone
    std::set<std::uint32_t> seen_;                          // pods looked at since the last sweep
    std::set<std::uint32_t> attached_;                      // pods whose programs were once in place
    std::multimap<int, std::uint32_t> at_interface_;        // pods by ifindex of their host veth
    std::set<std::uint32_t> failing_;                  // pods that could not be attached, to log it once
    std::map<std::uint32_t, Connections> connections_; // of pods, when both directions were seen last
    Clock::time_point next_sweep_;
    Clock::time_point next_full_sweep_;
};

} // namespace podrtt
