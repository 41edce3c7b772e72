// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

#include <net/if.h>

#include <cerrno>
#include <string>
#include <utility>

#include "attachment.h"
#include "totals.h"

namespace podrtt
{
namespace
{

// How often pods that are attached are looked at again.
constexpr std::chrono::seconds sweep_interval{30};

using Name = std::pair<std::string, std::string>; // namespace and pod

Name name_of(const podrtt_pod &pod)
{
    return {pod.name_space, pod.name};
}

std::string describe(const podrtt_pod &pod)
{
    return std::string(pod.name_space) + "/" + pod.name;
}

bool link_exists(std::uint32_t ifindex)
{
    char name[IF_NAMESIZE];
    return if_indextoname(ifindex, name) != nullptr || errno != ENXIO;
}

} // namespace

Reconciler::Reconciler(Pins pins, Maps &maps, Netlink netlink, Clock::duration grace_period,
                       std::shared_ptr<spdlog::logger> log)
    : pins_(std::move(pins)), maps_(maps), netlink_(std::move(netlink)), grace_period_(grace_period),
      log_(std::move(log))
{
}

void Reconciler::reconcile(Clock::time_point now)
{
    auto pods = maps_.pods.entries();
    if (!pods) {
        log_->error("{}", pods.error().message());
        return;
    }
    if (now >= next_sweep_) {
        seen_.clear();
        next_sweep_ = now + sweep_interval;
    }

    std::set<Name> living;
    std::map<Name, std::map<std::uint32_t, podrtt_pod>> gone;
    for (const auto &[id, pod] : *pods) {
        if (link_exists(id)) {
            living.insert(name_of(pod));
            attach_programs(id, pod);
        } else {
            note_gone(id, pod, now);
            gone[name_of(pod)].emplace(id, pod);
        }
    }

    // A pod of a StatefulSet comes back under its name, and its series go on. They would
    // go backwards if its predecessors' samples left them, so one of these stays, with the
    // samples of all.
    for (const auto &[name, predecessors] : gone) {
        const auto &[last, pod] = *predecessors.rbegin();
        for (const auto &[id, predecessor] : predecessors)
            if (id != last)
                merge(id, last, predecessor);
        if (!living.contains(name) && now - gone_since_.at(last) >= grace_period_)
            retire(last, pod);
    }
}

void Reconciler::attach_programs(std::uint32_t id, const podrtt_pod &pod)
{
    if (!seen_.insert(id).second)
        return;
    auto attached = attach(netlink_, pins_, static_cast<int>(id));
    if (attached) {
        if (failing_.erase(id))
            log_->info("{}: attached", describe(pod));
    } else if (link_exists(id) && failing_.insert(id).second) {
        log_->warn("{}: {}", describe(pod), attached.error().message());
    }
}

void Reconciler::note_gone(std::uint32_t id, podrtt_pod pod, Clock::time_point now)
{
    if (!gone_since_.emplace(id, now).second)
        return;
    log_->debug("{}: its interface {} is gone", describe(pod), pod.host_ifname);
    if (pod.deleted)
        return;
    // The plugin was not asked, or could not say it.
    pod.deleted = static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
    if (auto written = maps_.pods.update(id, pod, BPF_EXIST); !written)
        log_->error("{}: {}", describe(pod), written.error().message());
}

void Reconciler::merge(std::uint32_t from, std::uint32_t to, const podrtt_pod &pod)
{
    if (auto merged = merge_pod(maps_, from, to); !merged)
        log_->error("{}: {}", describe(pod), merged.error().message());
    else
        forget(from);
}

void Reconciler::retire(std::uint32_t id, const podrtt_pod &pod)
{
    if (auto retired = retire_pod(maps_, id, pod); !retired) {
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
}

} // namespace podrtt
