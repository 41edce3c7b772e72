// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/reconciler.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "bpf/user/attach/tcx.h"
#include "node-daemon/counts/flow_sweep.h"
#include "node-daemon/counts/retirement.h"

namespace podrtt
{
namespace
{

// How often pods that are attached are looked at again, where the kernel does not report
// changes; and where it should.
constexpr std::chrono::seconds sweep_interval{30};
constexpr std::chrono::minutes full_sweep_interval{5};

// After the veth's end, until no program can be running for the pod any more.
constexpr std::chrono::seconds settling_time{1};

// Connections in a row of which only one direction was seen, and for how long, before that is believed. One
// may have been under way when the programs were attached, and a peer may answer so that only the pod
// understands it, such as by fragments: of peers that may be a single one it takes more.
struct Evidence {
    std::uint64_t connections;
    std::chrono::seconds lasting;
};
constexpr Evidence of_several_peers{3, std::chrono::seconds(10)};
constexpr Evidence of_one_peer{30, std::chrono::minutes(5)};

// How a pod is attached that is.
podrtt_attach form_on(const attach::InterfaceView &view, const podrtt_pod &pod)
{
    if (pod.attach == PODRTT_ATTACH_POD)
        return PODRTT_ATTACH_POD;
    return view.has_own_filters() ? PODRTT_ATTACH_CLSACT : PODRTT_ATTACH_TCX;
}

} // namespace

Reconciler::Reconciler(Pins pins, Maps &maps, attach::Attacher &attacher, AttachStates &attach_states,
                       Repairs &repairs, const Policy &policy, std::shared_ptr<spdlog::logger> log)
    : pins_(std::move(pins)), maps_(maps), attacher_(attacher), attach_states_(attach_states),
      repairs_(repairs), policy_(policy), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      log_(std::move(log))
{
}

Reconciler::PodState &Reconciler::state_of(std::uint32_t id, const podrtt_pod &pod)
{
    PodState &state = states_[id];
    const auto ifindex = static_cast<int>(pod.host_ifindex);
    if (state.created != pod.created || state.ifindex != ifindex) {
        state = PodState();
        state.created = pod.created;
        state.ifindex = ifindex;
    }
    return state;
}

// While there is room, a pod has series of its own, and so have its successors of the same name.
void Reconciler::decide_names(Records &records)
{
    if (policy_.max_pods == 0)
        return;
    std::set<PodName> named;
    for (const auto &[id, pod] : records)
        if (pod.named == PODRTT_NAMED_ITSELF)
            named.insert(pod_name(pod));
    std::ranges::sort(records, {},
                      [](const auto &record) { return std::pair(record.second.created, record.first); });
    for (auto &[id, pod] : records) {
        if (pod.named != PODRTT_NAMED_UNDECIDED)
            continue;
        const bool room = named.size() < policy_.max_pods || named.contains(pod_name(pod));
        // As it is now: a plugin may have marked it as deleted.
        auto present = maps_.pods.lookup(id);
        if (!present || !*present || !is_same_sandbox(**present, pod.container_id, pod.ifname))
            continue;
        pod = **present;
        pod.named = room ? PODRTT_NAMED_ITSELF : PODRTT_NAMED_OTHER;
        if (room)
            named.insert(pod_name(pod));
        if (auto written = maps_.pods.update(id, pod, BPF_EXIST); !written)
            log_->error("{}: {}", describe(pod), written.error().message());
    }
}

// The kernel reports changes to filters, but not those to TCX programs, nor inside pods.
void Reconciler::mark_due(Clock::time_point now)
{
    if (now >= next_full_sweep_) {
        look_at_all_again();
        next_full_sweep_ = now + full_sweep_interval;
        next_sweep_ = now + sweep_interval;
    } else if (now >= next_sweep_) {
        for (auto &[id, state] : states_)
            if (state.attach.form != PODRTT_ATTACH_CLSACT || !state.attach.measured() ||
                attach::is_tcx_used(state.ifindex))
                state.due = true;
        next_sweep_ = now + sweep_interval;
    }
}

void Reconciler::look_at_all_again()
{
    for (auto &[id, state] : states_)
        state.due = true;
}

bool Reconciler::look_again(int ifindex)
{
    bool concerned = false;
    for (auto &[id, state] : states_) {
        // What fails is tried again with the others: its own attempts change things, too.
        if (state.ifindex != ifindex || state.gone_since || state.failing)
            continue;
        state.due = true;
        concerned = true;
    }
    return concerned;
}

void Reconciler::set_policy(const Policy &policy)
{
    policy_ = policy;
    look_at_all_again();
}

bool Reconciler::reconcile(Clock::time_point now)
{
    mark_due(now);
    auto records = maps_.pods.entries();
    if (!records) {
        log_->error("{}", records.error().message());
        return false;
    }
    decide_names(*records);
    std::erase_if(states_, [&records](const auto &state) {
        return std::ranges::none_of(*records,
                                    [&](const auto &record) { return record.first == state.first; });
    });

    std::map<PodName, std::uint32_t> living;
    Records gone;
    others_ = 0;
    for (const auto &[id, pod] : *records) {
        if (is_others_of_namespace(pod)) {
            others_++;
            continue;
        }
        PodState &state = state_of(id, pod);
        if (!state.gone_since && look_at(id, pod, state, now)) {
            if (pod.named != PODRTT_NAMED_OTHER)
                living[pod_name(pod)] = id;
        } else {
            note_gone(id, pod, state, now);
            if (now - *state.gone_since >= settling_time || !has_interface(pod))
                gone.emplace_back(id, pod);
        }
    }
    sweep(gone);
    collect(gone, living, now);
    publish();
    return std::ranges::none_of(states_, [](const auto &state) { return state.second.failing; });
}

bool Reconciler::exists(const PodState &state) const
{
    ifreq request = {};
    request.ifr_ifindex = state.ifindex;
    return ioctl(socket_.get(), SIOCGIFNAME, &request) == 0 || errno != ENODEV;
}

// A pod lives as long as its host veth.
bool Reconciler::look_at(std::uint32_t id, const podrtt_pod &pod, PodState &state, Clock::time_point now)
{
    if (!has_interface(pod) || !exists(state))
        return false;
    if (state.due) {
        auto view = attacher_.observe(state.ifindex);
        if (!view) {
            log_->error("{}: {}", describe(pod), view.error().message());
            state.failing = true; // its programs may be old ones
            return true;
        }
        if (!attacher_.is_same_interface(*view, id, pod))
            return false;
        state.due = false;
        if (!leave_alone(*view, id, pod, state, now))
            attach_programs(*view, id, pod, state);
    }
    watch_directions(id, pod, state, now);
    return true;
}

bool Reconciler::is_attached(const attach::InterfaceView &view, const podrtt_pod &pod)
{
    return pod.attach == PODRTT_ATTACH_POD ? attacher_.is_attached(pod).value_or(true) : view.has_own();
}

// Another podrtt, or a neighbour that wants to be first as well, would go on for ever.
bool Reconciler::leave_alone(const attach::InterfaceView &view, std::uint32_t id, const podrtt_pod &pod,
                             PodState &state, Clock::time_point now)
{
    if (pod.attach == PODRTT_ATTACH_POD || !state.was_attached || state.failing ||
        attacher_.is_in_place(view, id, policy_.attach) || state.backoff.allows(now))
        return false;
    if (state.attach.problem != AttachProblem::contended)
        log_->warn("{}: somebody else, perhaps another podrttd, keeps removing or replacing what podrtt "
                   "attaches to {}; left alone for {} minutes",
                   describe(pod), pod.host_ifname, Backoff::pause.count());
    state.attach.problem = AttachProblem::contended;
    return true;
}

void Reconciler::attach_programs(const attach::InterfaceView &view, std::uint32_t id, const podrtt_pod &pod,
                                 PodState &state)
{
    const bool was_attached = is_attached(view, pod);
    if (pod.deleted && !was_attached)
        return; // on its way out
    auto form = attach_pod(view, id, pod);
    if (!form) {
        if (!state.failing)
            log_->warn("{}: {}", describe(pod), form.error().message());
        state.failing = true;
        state.due = true; // until it succeeds, or the veth is gone
        if (form.error().code == EADDRINUSE)
            state.attach = {PODRTT_ATTACH_AUTO, AttachProblem::contended};
        else if (!was_attached) // else it is measured as before
            state.attach = {PODRTT_ATTACH_AUTO, AttachProblem::failed};
        else if (state.attach.form == PODRTT_ATTACH_AUTO)
            state.attach = {form_on(view, pod), AttachProblem::none};
        return;
    }
    // Programs that were in place, or that a plugin should have attached, are a repair; new
    // programs of a new daemon are not.
    if (!was_attached) {
        repairs_.count(Repair::attached);
        log_->info("{}: the programs {}", describe(pod),
                   state.was_attached ? "have been removed; attached again"
                                      : "were not attached; done now");
    }
    if (state.failing)
        log_->info("{}: attached", describe(pod));
    state.failing = false;
    // What is attached at the host veth stays in doubt until both directions are seen.
    if (state.attach.problem != AttachProblem::one_direction || *form == PODRTT_ATTACH_POD)
        state.attach = {*form, AttachProblem::none};
    state.was_attached = true;
}

Result<podrtt_attach> Reconciler::attach_pod(const attach::InterfaceView &view, std::uint32_t id,
                                             const podrtt_pod &pod)
{
    if (auto left = attacher_.leave_to_another(view); !left)
        return std::unexpected(left.error());
    if (pod.attach != PODRTT_ATTACH_POD)
        return policy_.attach == PODRTT_ATTACH_POD ? move_inside(id, pod)
                                                   : attacher_.attach(view, id, policy_.attach);
    if (auto attached = attacher_.attach_inside(id, pod); !attached)
        return std::unexpected(attached.error());
    if (view.has_own()) // a move that was interrupted
        if (auto detached = attach::detach(attacher_.netlink(), view.ifindex); !detached)
            return std::unexpected(detached.error());
    return PODRTT_ATTACH_POD;
}

// Attaches inside the pod and then no longer at the host veth. The pod keeps its id.
Result<podrtt_attach> Reconciler::move_inside(std::uint32_t id, const podrtt_pod &pod)
{
    if (auto attached = attacher_.attach_inside(id, pod); !attached)
        return std::unexpected(attached.error());
    podrtt_pod inside = pod;
    inside.attach = PODRTT_ATTACH_POD;
    if (auto written = maps_.pods.update(id, inside, BPF_EXIST); !written)
        return std::unexpected(written.error());
    if (auto detached = attach::detach(attacher_.netlink(), static_cast<int>(pod.host_ifindex)); !detached)
        return std::unexpected(detached.error());
    repairs_.count(Repair::moved_inside);
    return PODRTT_ATTACH_POD;
}

// After counts of others have been added to a pod's.
void Reconciler::count_directions_anew(std::uint32_t id)
{
    const auto state = states_.find(id);
    if (state == states_.end())
        return;
    if (auto counts = maps_.connections_of(id)) {
        state->second.connections = *counts;
        state->second.one_direction.reset();
    }
}

void Reconciler::count_directions_anew()
{
    for (const auto &[id, state] : states_)
        count_directions_anew(id);
}

namespace
{

bool is_evidence(const ConnectionCounts &before, const ConnectionCounts &now,
                 std::chrono::nanoseconds lasting)
{
    unsigned parts = 0;
    for (unsigned matching = PODRTT_MATCHING_NONE; matching < PODRTT_MATCHINGS; matching++)
        parts += now[matching] != before[matching];
    const Evidence &enough = parts > 1 ? of_several_peers : of_one_peer;
    return one_direction(now) - one_direction(before) >= enough.connections && lasting >= enough.lasting;
}

} // namespace

// Where another program sends packets around the host veth (bpf_redirect_peer), connections
// are seen whose answers are not.
void Reconciler::watch_directions(std::uint32_t id, const podrtt_pod &pod, PodState &state,
                                  Clock::time_point now)
{
    auto counts = maps_.connections_of(id);
    if (!counts)
        return;
    // What was counted at the host veth says nothing about the inside.
    auto &before = state.connections;
    if (!before)
        before = pod.attach == PODRTT_ATTACH_POD ? *counts : ConnectionCounts{};
    if (both_directions(*counts) != both_directions(*before)) {
        before = *counts;
        state.one_direction.reset();
        if (state.attach.problem == AttachProblem::one_direction) { // no longer
            state.attach = {};
            state.due = true;
        }
        return;
    }
    const std::uint64_t connections = one_direction(*counts);
    if (connections == one_direction(*before))
        return;
    if (!state.one_direction)
        state.one_direction = {connections, now, now};
    else if (state.one_direction->connections != connections)
        state.one_direction = {connections, state.one_direction->first, now};
    if (!is_evidence(*before, *counts, state.one_direction->last - state.one_direction->first))
        return;
    before = *counts;
    state.one_direction.reset();
    if (state.attach.problem == AttachProblem::one_direction)
        return; // it is known

    Result<podrtt_attach> moved = failure("attach inside", describe(pod), "it is not wanted");
    if (policy_.attach == PODRTT_ATTACH_AUTO && pod.attach != PODRTT_ATTACH_POD)
        moved = move_inside(id, pod);
    if (moved) {
        log_->info("{}: its packets pass {} in one direction only; attached inside the pod", describe(pod),
                   pod.host_ifname);
        state.attach = {*moved, AttachProblem::none};
    } else {
        log_->warn("{}: its packets are seen in one direction only, so it cannot be measured: {}",
                   describe(pod), moved.error().message());
        state.attach.problem = AttachProblem::one_direction;
    }
}

void Reconciler::note_gone(std::uint32_t id, const podrtt_pod &pod, PodState &state, Clock::time_point now)
{
    if (state.gone_since)
        return;
    state.gone_since = now;
    state.attach = {};
    if (!has_interface(pod))
        return;
    log_->debug("{}: its interface {} is gone", describe(pod), pod.host_ifname);
    if (pod.deleted)
        return;
    // The plugin was not asked, or could not say it.
    repairs_.count(Repair::collected);
    if (auto marked = mark_deleted(maps_.pods, id, pod); !marked)
        log_->error("{}: {}", describe(pod), marked.error().message());
}

// No flow may count for a pod whose samples have moved, or whose id another has got.
void Reconciler::sweep(const Records &gone)
{
    std::set<std::uint32_t> unswept;
    for (const auto &[id, pod] : gone)
        if (has_interface(pod) && !states_.at(id).swept)
            unswept.insert(id);
    if (unswept.empty())
        return;
    auto swept = sweep_flows(maps_, unswept);
    if (!swept) {
        log_->error("{}", swept.error().message());
        return;
    }
    for (const std::uint32_t id : unswept)
        states_.at(id).swept = true;
}

// Pods that are gone may be kept in what new ones do not soon need: the daemon may be late, and
// the plugin cannot wait for it.
bool Reconciler::is_crowded() const
{
    return is_nearly_full(states_.size() + others_, maps_.pods.capacity());
}

// A pod of a StatefulSet comes back under its name, and its series go on. They would go
// backwards if its predecessors' samples left them, so it takes these over; while there is none, the latest
// of them has the samples of all.
void Reconciler::collect(const Records &gone, const std::map<PodName, std::uint32_t> &living,
                         Clock::time_point now)
{
    Records ended;
    std::map<PodName, Records> by_name;
    for (const auto &[id, pod] : gone) {
        if (has_interface(pod) && !states_.at(id).swept)
            continue;
        if (pod.named == PODRTT_NAMED_OTHER)
            ended.emplace_back(id, pod);
        else
            by_name[pod_name(pod)].emplace_back(id, pod);
    }
    for (const auto &[name, predecessors] : by_name) {
        if (const auto successor = living.find(name); successor != living.end()) {
            for (const auto &[id, predecessor] : predecessors)
                merge(id, successor->second, predecessor, now);
            continue;
        }
        const auto &[last, pod] = *std::ranges::max_element(
            predecessors, {}, [](const auto &record) { return record.second.created; });
        for (const auto &[id, predecessor] : predecessors)
            if (id != last)
                merge(id, last, predecessor, now);
        ended.emplace_back(last, pod);
    }
    std::ranges::sort(ended, {}, [this](const auto &record) {
        return std::pair(*states_.at(record.first).gone_since, record.second.deleted);
    });
    for (const auto &[id, pod] : ended) {
        const bool over = now - *states_.at(id).gone_since >= policy_.grace_period;
        if (!over && !is_crowded())
            break; // those that went later, too
        if (pod.named == PODRTT_NAMED_OTHER)
            merge_into_others(id, pod, now);
        else
            retire(id, pod);
    }
}

// The series of those without a name of their own never end, so their samples stay there.
void Reconciler::merge_into_others(std::uint32_t id, const podrtt_pod &pod, Clock::time_point now)
{
    auto others = record_gone_pod(maps_.pods, maps_.settings, others_of_namespace(pod));
    if (!others)
        log_->error("{}: {}", describe(pod), others.error().message());
    else
        merge(id, *others, pod, now);
}

void Reconciler::merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod, Clock::time_point now)
{
    if (now < states_.at(from).next_merge)
        return;
    auto merged = attacher_.forget_interface(from, pod);
    if (merged)
        merged = merge_pod(maps_, pins_, from, to);
    count_directions_anew(to);
    if (!merged) { // such as for want of room
        states_.at(from).next_merge = now + sweep_interval;
        log_->error("{}: {}", describe(pod), merged.error().message());
        return;
    }
    // The grace period is that of the pod that went last.
    if (const auto own = states_.find(to); own != states_.end() && own->second.gone_since)
        own->second.gone_since = std::max(*own->second.gone_since, *states_.at(from).gone_since);
    states_.erase(from);
}

void Reconciler::retire(std::uint32_t id, const podrtt_pod &pod)
{
    auto retired = attacher_.forget_interface(id, pod);
    if (retired)
        retired = retire_pod(maps_, pins_, id, pod);
    if (!retired) {
        log_->error("{}: {}", describe(pod), retired.error().message());
        return;
    }
    states_.erase(id);
    log_->info("{}: retired, its samples stay in the totals of the namespace", describe(pod));
}

void Reconciler::publish()
{
    AttachStates::ById known;
    for (const auto &[id, state] : states_)
        if (!state.gone_since && (state.attach.form != PODRTT_ATTACH_AUTO || !state.attach.measured()))
            known[id] = state.attach;
    attach_states_.set(std::move(known));
}

} // namespace podrtt
