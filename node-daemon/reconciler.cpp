// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

#include <net/if.h>

#include <string>
#include <utility>
#include <vector>

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

std::uint64_t to_ns(Reconciler::Clock::time_point time)
{
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}

bool link_exists(std::uint32_t ifindex)
{
    char name[IF_NAMESIZE];
    return if_indextoname(ifindex, name) != nullptr;
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
        attached_.clear();
        next_sweep_ = now + sweep_interval;
    }

    const std::uint64_t due =
        to_ns(now) - static_cast<std::uint64_t>(std::chrono::nanoseconds(grace_period_).count());
    std::set<Name> kept; // names that one pod at least must still be known by
    std::vector<std::pair<std::uint32_t, podrtt_pod>> gone;
    for (const auto &[id, pod] : *pods) {
        if (link_exists(id)) {
            attach_programs(id, pod);
            kept.insert(name_of(pod));
            continue;
        }
        if (!pod.deleted)
            mark_deleted(id, pod, now);
        if (!pod.deleted || pod.deleted > due)
            kept.insert(name_of(pod));
        else
            gone.emplace_back(id, pod);
    }
    // A pod of a StatefulSet comes back under its name, and its series go on. They would
    // go backwards if its predecessor's samples left them.
    for (const auto &[id, pod] : gone)
        if (!kept.contains(name_of(pod)))
            retire(id, pod);
}

void Reconciler::attach_programs(std::uint32_t id, const podrtt_pod &pod)
{
    if (attached_.contains(id))
        return;
    auto attached = attach(netlink_, pins_, static_cast<int>(id));
    if (attached) {
        attached_.insert(id);
        if (failing_.erase(id))
            log_->info("{}: attached", describe(pod));
    } else if (link_exists(id) && failing_.insert(id).second) {
        log_->warn("{}: {}", describe(pod), attached.error().message());
    }
}

void Reconciler::mark_deleted(std::uint32_t id, podrtt_pod pod, Clock::time_point now)
{
    pod.deleted = to_ns(now);
    log_->info("{}: its interface {} is gone", describe(pod), pod.host_ifname);
    if (auto written = maps_.pods.update(id, pod, BPF_EXIST); !written)
        log_->error("{}: {}", describe(pod), written.error().message());
}

void Reconciler::retire(std::uint32_t id, const podrtt_pod &pod)
{
    failing_.erase(id);
    attached_.erase(id);
    if (auto retired = retire_pod(maps_, id, pod); !retired)
        log_->error("{}: {}", describe(pod), retired.error().message());
    else
        log_->info("{}: retired, its samples stay in the totals of the namespace", describe(pod));
}

} // namespace podrtt
