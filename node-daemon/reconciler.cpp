// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>

#include "attachment.h"
#include "remains.h"
#include "totals.h"

namespace podrtt
{
namespace
{

// How often pods that are attached are looked at again, where the kernel does not tell of
// changes; and where it should.
constexpr std::chrono::seconds sweep_interval{30};
constexpr std::chrono::minutes full_sweep_interval{5};

// Connections in a row of which only one direction was seen, before that is believed. One
// may have been under way when the programs were attached.
constexpr std::uint64_t enough_one_way = 3;

constexpr const char *one_direction = "one_direction";

PodName name_of(const podrtt_pod &pod)
{
    return {pod.name_space, pod.name};
}

std::string describe(const podrtt_pod &pod)
{
    return std::string(pod.name_space) + "/" + pod.name;
}

std::uint32_t host_ifindex(std::uint32_t id, const podrtt_pod &pod)
{
    return id & PODRTT_ID_IN_POD ? pod.host_ifindex : id;
}

std::string form_name(podrtt_attach form)
{
    return form == PODRTT_ATTACH_POD ? "pod" : form == PODRTT_ATTACH_TCX ? "tcx" : "clsact";
}

} // namespace

Reconciler::Reconciler(Pins pins, Maps &maps, Attachments &attachments, Repairs &repairs, Netlink netlink,
                       const Policy &policy, std::shared_ptr<spdlog::logger> log)
    : pins_(std::move(pins)), maps_(maps), attachments_(attachments), repairs_(repairs),
      netlink_(std::move(netlink)), policy_(policy), socket_(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)),
      log_(std::move(log))
{
}

// A pod lives as long as its host veth.
bool Reconciler::is_alive(std::uint32_t id, const podrtt_pod &pod) const
{
    if (is_remains(id))
        return false;
    ifreq request = {};
    request.ifr_ifindex = static_cast<int>(host_ifindex(id, pod));
    return ioctl(socket_.get(), SIOCGIFNAME, &request) == 0 || errno != ENODEV;
}

// While there is room, a pod has series of its own, and so has whoever comes after it under its
// name.
void Reconciler::decide_names(Pods &pods)
{
    if (policy_.max_pods == 0)
        return;
    std::set<PodName> named;
    for (const auto &[id, pod] : pods)
        if (pod.named == PODRTT_NAMED_ITSELF)
            named.insert(name_of(pod));
    std::ranges::sort(pods, {}, &Pods::value_type::first);
    for (auto &[id, pod] : pods) {
        if (pod.named != PODRTT_NAMED_UNDECIDED)
            continue;
        const bool room = named.size() < policy_.max_pods || named.contains(name_of(pod));
        // As it is now: a plugin may have marked it as deleted, or written another pod there.
        auto present = maps_.pods.lookup(id);
        if (!present || !*present || std::string_view((**present).container_id) != pod.container_id)
            continue;
        pod = **present;
        pod.named = room ? PODRTT_NAMED_ITSELF : PODRTT_NAMED_OTHER;
        if (room)
            named.insert(name_of(pod));
        if (auto written = maps_.pods.update(id, pod, BPF_EXIST); !written)
            log_->error("{}: {}", describe(pod), written.error().message());
    }
}

// The kernel tells of changes to filters, but not of those to TCX programs, nor inside pods.
void Reconciler::sweep(Clock::time_point now)
{
    if (now >= next_full_sweep_) {
        seen_.clear();
        next_full_sweep_ = now + full_sweep_interval;
        next_sweep_ = now + sweep_interval;
    } else if (now >= next_sweep_) {
        const auto known = attachments_.all();
        std::erase_if(seen_, [&known](std::uint32_t id) {
            const auto attachment = known.find(id);
            return attachment == known.end() ||
                   attachment->second.reason != form_name(PODRTT_ATTACH_CLSACT) ||
                   is_tcx_used(static_cast<int>(id)).value_or(true);
        });
        next_sweep_ = now + sweep_interval;
    }
}

bool Reconciler::reconcile(Clock::time_point now)
{
    sweep(now);
    auto pods = maps_.pods.entries();
    if (!pods) {
        log_->error("{}", pods.error().message());
        return false;
    }
    decide_names(*pods);

    inside_.clear();
    at_interface_.clear();
    for (const auto &[id, pod] : *pods) {
        if (id & PODRTT_ID_IN_POD)
            inside_.insert({pod.container_id, pod.ifname});
        at_interface_.emplace(static_cast<int>(host_ifindex(id, pod)), id);
    }

    std::set<PodName> living;
    std::map<PodName, std::map<std::uint32_t, podrtt_pod>> gone;
    for (const auto &[id, pod] : *pods) {
        if (is_alive(id, pod)) {
            living.insert(name_of(pod));
            if (attach_programs(id, pod))
                watch_directions(id, pod);
        } else if (!is_remains_of_others(pod)) {
            note_gone(id, pod, now);
            if (pod.named == PODRTT_NAMED_OTHER)
                collect_other(id, pod, now);
            else
                gone[name_of(pod)].emplace(id, pod);
        }
    }
    collect(gone, living, now);
    return failing_.empty();
}

// A pod of a StatefulSet comes back under its name, and its series go on. They would go
// backwards if its predecessors' samples left them, so one of these stays, with the samples
// of all.
void Reconciler::collect(const std::map<PodName, std::map<std::uint32_t, podrtt_pod>> &gone,
                         const std::set<PodName> &living, Clock::time_point now)
{
    for (const auto &[name, predecessors] : gone) {
        const auto &[last, pod] = *predecessors.rbegin();
        for (const auto &[id, predecessor] : predecessors)
            if (id != last)
                merge(id, last, predecessor);
        if (!living.contains(name) && now - gone_since_.at(last) >= policy_.grace_period)
            retire(last, pod);
    }
}

// The series of those without a name of their own never end, so their samples stay there.
void Reconciler::collect_other(std::uint32_t id, const podrtt_pod &pod, Clock::time_point now)
{
    if (now - gone_since_.at(id) < policy_.grace_period)
        return;
    if (auto remains = add_remains_of_others(maps_.pods, pod); !remains)
        log_->error("{}: {}", describe(pod), remains.error().message());
    else
        merge(id, *remains, pod);
}

bool Reconciler::look_again(int ifindex)
{
    // What fails is tried again with the others: its own attempts change things, too.
    bool concerned = false;
    const auto [first, last] = at_interface_.equal_range(ifindex);
    std::for_each(first, last, [this, &concerned](const auto &pod) {
        if (failing_.contains(pod.second))
            return;
        seen_.erase(pod.second);
        concerned = true;
    });
    return concerned;
}

// Programs that were in place, or that a plugin should have attached, are a repair; new
// programs of a new daemon are not.
void Reconciler::note_repair(std::uint32_t id, const podrtt_pod &pod)
{
    repairs_.count(Repair::attached);
    log_->info("{}: the programs {}", describe(pod),
               attached_.contains(id) ? "have been removed; attached again"
                                      : "were not attached; done now");
}

bool Reconciler::attach_programs(std::uint32_t id, const podrtt_pod &pod)
{
    if (!seen_.insert(id).second)
        return true;
    const bool was_attached = is_attached(id, pod).value_or(true);
    auto form = attach_pod(id, pod);
    if (form && *form == PODRTT_ATTACH_POD && !(id & PODRTT_ID_IN_POD))
        return false; // it has another id now
    if (form) {
        // What is attached at the host veth stays in doubt until both directions are seen.
        if (!is_one_way(id))
            attachments_.set(id, {true, form_name(*form)});
        if (!was_attached)
            note_repair(id, pod);
        attached_.insert(id);
        if (failing_.erase(id))
            log_->info("{}: attached", describe(pod));
    } else if (is_alive(id, pod)) {
        attachments_.set(id, {false, "failed"});
        if (failing_.insert(id).second) {
            log_->warn("{}: {}", describe(pod), form.error().message());
            seen_.erase(id); // once more at once, then with the others
        }
    }
    return true;
}

bool Reconciler::is_one_way(std::uint32_t id) const
{
    const auto known = attachments_.all();
    const auto present = known.find(id);
    return present != known.end() && present->second.reason == one_direction;
}

Result<podrtt_attach> Reconciler::attach_pod(std::uint32_t id, const podrtt_pod &pod)
{
    if (id & PODRTT_ID_IN_POD) {
        if (auto attached = attach_in_pod(pins_, id, pod); !attached)
            return std::unexpected(attached.error());
        return PODRTT_ATTACH_POD;
    }
    // A pod that is inside already has not been moved to the end.
    if (policy_.attach == PODRTT_ATTACH_POD || inside_.contains({pod.container_id, pod.ifname}))
        return move_into_pod(id, pod);
    return attach(netlink_, pins_, static_cast<int>(id), policy_.attach);
}

// Attaches inside the pod and then no more at the host veth. The pod gets a new id, and its
// samples go with it.
Result<podrtt_attach> Reconciler::move_into_pod(std::uint32_t id, const podrtt_pod &pod)
{
    podrtt_pod inside = pod;
    inside.host_ifindex = id;
    auto new_id = add_in_pod(maps_.pods, inside);
    if (!new_id)
        return std::unexpected(new_id.error());
    if (auto attached = attach_in_pod(pins_, *new_id, inside); !attached) {
        // The host veth goes on as before.
        if (auto erased = maps_.pods.erase(*new_id); !erased)
            log_->error("{}: {}", describe(pod), erased.error().message());
        return std::unexpected(attached.error());
    }
    if (auto detached = detach(netlink_, static_cast<int>(id)); !detached)
        return std::unexpected(detached.error());
    merge(id, *new_id, pod);
    attachments_.set(*new_id, {true, form_name(PODRTT_ATTACH_POD)});
    repairs_.count(Repair::moved_inside);
    return PODRTT_ATTACH_POD;
}

// Where another program sends packets around the host veth (bpf_redirect_peer), connections
// are seen whose answers are not.
void Reconciler::watch_directions(std::uint32_t id, const podrtt_pod &pod)
{
    auto counts = maps_.histograms.lookup(
        {.pod = id, .leg = 0, .kind = PODRTT_KIND_CONNECTIONS, .peer = 0, .pad = 0});
    if (!counts)
        return;
    Connections now = {};
    if (*counts)
        std::copy_n((*counts)->bucket, now.size(), now.begin());
    // What a pod brings along from its host veth tells nothing of its inside.
    auto &before = connections_.try_emplace(id, id & PODRTT_ID_IN_POD ? now : Connections{}).first->second;
    if (now[PODRTT_MATCHING_TIMESTAMPS] != before[PODRTT_MATCHING_TIMESTAMPS] ||
        now[PODRTT_MATCHING_SEQUENCE] != before[PODRTT_MATCHING_SEQUENCE]) {
        before = now;
        if (is_one_way(id)) { // no more
            attachments_.erase(id);
            seen_.erase(id);
        }
        return;
    }
    if (now[PODRTT_MATCHING_NONE] - before[PODRTT_MATCHING_NONE] < enough_one_way)
        return;
    before = now;
    if (is_one_way(id))
        return; // it is known

    Result<podrtt_attach> moved = failure("attach inside", describe(pod), "it is not wanted");
    if (policy_.attach == PODRTT_ATTACH_AUTO && !(id & PODRTT_ID_IN_POD))
        moved = move_into_pod(id, pod);
    if (moved) {
        log_->info("{}: its packets pass {} in one direction only; attached inside the pod", describe(pod),
                   pod.host_ifname);
    } else {
        log_->warn("{}: its packets are seen in one direction only, so it cannot be measured: {}",
                   describe(pod), moved.error().message());
        attachments_.set(id, {false, one_direction});
    }
}

void Reconciler::note_gone(std::uint32_t id, podrtt_pod pod, Clock::time_point now)
{
    if (!gone_since_.emplace(id, now).second)
        return;
    attachments_.erase(id);
    log_->debug("{}: its interface {} is gone", describe(pod), pod.host_ifname);
    if (pod.deleted || is_remains(id))
        return;
    // The plugin was not asked, or could not say it.
    repairs_.count(Repair::collected);
    pod.deleted = static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
    if (auto written = maps_.pods.update(id, pod, BPF_EXIST); !written)
        log_->error("{}: {}", describe(pod), written.error().message());
}

void Reconciler::merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod)
{
    if (auto merged = merge_pod(maps_, pins_, from, to); !merged)
        log_->error("{}: {}", describe(pod), merged.error().message());
    else
        forget_merged(from, to);
}

// The grace period is that of whoever went last.
void Reconciler::forget_merged(std::uint32_t from, std::uint32_t to)
{
    const auto own = gone_since_.find(to), other = gone_since_.find(from);
    if (own != gone_since_.end() && other != gone_since_.end())
        own->second = std::max(own->second, other->second);
    forget(from);
}

void Reconciler::retire(std::uint32_t id, const podrtt_pod &pod)
{
    if (auto retired = retire_pod(maps_, pins_, id, pod); !retired) {
        log_->error("{}: {}", describe(pod), retired.error().message());
        return;
    }
    forget(id);
    log_->info("{}: retired, its samples stay in the totals of the namespace", describe(pod));
}

void Reconciler::forget(std::uint32_t id)
{
    gone_since_.erase(id);
    failing_.erase(id);
    attached_.erase(id);
    connections_.erase(id);
    attachments_.erase(id);
}

} // namespace podrtt
