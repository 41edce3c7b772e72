// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"
#include "bpf/user/pod.h"
#include "node-daemon/counts/attach_states.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/counts/repairs.h"
#include "node-daemon/pods/backoff.h"

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

    // All that is passed by reference must outlive the reconciler.
    Reconciler(Pins pins, Maps &maps, attach::Attacher &attacher, AttachStates &attach_states,
               Repairs &repairs, const Policy &policy, std::shared_ptr<spdlog::logger> log);

    void set_policy(const Policy &policy);

    // Goes once through all pods; to be called every few seconds. What fails is logged,
    // and tried again the next time. Returns whether every pod that lives has this daemon's programs.
    bool reconcile(Clock::time_point now);

    // Something has changed at an interface: the next call looks at the pod there, which it
    // otherwise does only now and then. False if no pod is there.
    bool look_again(int ifindex);
    void look_at_all_again();

    // Counts of another layout have been added to pods': what they say of directions is not of now.
    void count_directions_anew();

private:
    using Records = std::vector<std::pair<std::uint32_t, podrtt_pod>>;

    struct OneDirection {
        std::uint64_t connections; // when it was seen last
        Clock::time_point first, last;
    };

    // What is known of a pod beside its record. Starts again when the record is another's.
    struct PodState {
        std::uint64_t created = 0; // as in the record
        int ifindex = 0;           // of the host veth

        bool due = true;           // its interface is to be looked at
        bool was_attached = false; // this daemon has seen its programs in place
        bool failing = false;      // the programs could not be attached, or not be replaced
        AttachState attach;
        Backoff backoff; // from whoever undoes the attachment
        // Counts of connections when packets of both directions were seen last, and what was seen of one
        // since.
        std::optional<ConnectionCounts> connections;
        std::optional<OneDirection> one_direction;

        std::optional<Clock::time_point> gone_since;
        Clock::time_point next_merge; // after one that failed
        bool swept = false;           // its flows have been taken out of the table
    };

    PodState &state_of(std::uint32_t id, const podrtt_pod &pod);
    void mark_due(Clock::time_point now);
    void decide_names(Records &records);
    bool exists(const PodState &state) const;
    // False if the pod is gone.
    bool look_at(std::uint32_t id, const podrtt_pod &pod, PodState &state, Clock::time_point now);
    bool is_attached(const attach::InterfaceView &view, const podrtt_pod &pod);
    void attach_programs(const attach::InterfaceView &view, std::uint32_t id, const podrtt_pod &pod,
                         PodState &state);
    Result<podrtt_attach> attach_pod(const attach::InterfaceView &view, std::uint32_t id,
                                     const podrtt_pod &pod);
    Result<podrtt_attach> move_inside(std::uint32_t id, const podrtt_pod &pod);
    bool leave_alone(const attach::InterfaceView &view, std::uint32_t id, const podrtt_pod &pod,
                     PodState &state, Clock::time_point now);
    void watch_directions(std::uint32_t id, const podrtt_pod &pod, PodState &state, Clock::time_point now);
    void note_gone(std::uint32_t id, const podrtt_pod &pod, PodState &state, Clock::time_point now);
    void sweep(const Records &gone);
    void collect(const Records &gone, const std::map<PodName, std::uint32_t> &living,
                 Clock::time_point now);
    bool is_crowded() const;
    void merge_into_others(std::uint32_t id, const podrtt_pod &pod, Clock::time_point now);
    void merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod, Clock::time_point now);
    void count_directions_anew(std::uint32_t id);
    void retire(std::uint32_t id, const podrtt_pod &pod);
    void publish();

    Pins pins_;
    Maps &maps_;
    attach::Attacher &attacher_;
    AttachStates &attach_states_;
    Repairs &repairs_;
    Policy policy_;
    Fd socket_; // to ask for interfaces
    std::shared_ptr<spdlog::logger> log_;
    std::map<std::uint32_t, PodState> states_; // by pod id
    std::size_t others_ = 0;                   // records that hold the rest of a namespace
    Clock::time_point next_sweep_;
    Clock::time_point next_full_sweep_;
};

} // namespace podrtt
