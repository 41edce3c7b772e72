// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/attach/attacher.h"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "bpf/user/attach/clsact.h"
#include "bpf/user/attach/tcx.h"
#include "bpf/user/netns.h"
#include "bpf/user/pod.h"
#include "bpf/user/program.h"
#include "bpf/user/veth.h"

namespace podrtt::attach
{
namespace
{

using Action = Step::Action;

// The plugin and the daemon may attach to one interface at the same time. Each step (the qdisc, and
// a filter in each direction) can find what the other has just made; then all is looked at again.
constexpr int max_attempts = 5;

Hook opposite(Hook hook)
{
    return hook == Hook::ingress ? Hook::egress : Hook::ingress;
}

// The calling thread inside the pod, for as long as this lives.
struct Inside {
    NetnsGuard guard;
    Netlink netlink;
    int ifindex;

    static Result<Inside> enter(const podrtt_pod &pod)
    {
        auto netns = Netns::open(pod.netns);
        if (!netns)
            return std::unexpected(netns.error());
        auto veth = find_host_veth(*netns, pod.ifname);
        if (!veth)
            return std::unexpected(veth.error());
        if (!is_recorded_veth(pod, *veth))
            return failure("enter the pod at", pod.netns,
                           "its " + std::string(pod.ifname) + " does not lead to " + pod.host_ifname);
        auto guard = NetnsGuard::enter(*netns);
        if (!guard)
            return std::unexpected(guard.error());
        auto netlink = Netlink::open();
        if (!netlink)
            return std::unexpected(netlink.error());
        return Inside{std::move(*guard), std::move(*netlink), veth->pod_ifindex};
    }
};

bool has_recorded_peer(const InterfaceView &view, const podrtt_pod &pod)
{
    return !pod.pod_ifindex || static_cast<std::uint32_t>(view.peer_ifindex) == pod.pod_ifindex;
}

// Whether the interface leads into the pod's network namespace; nothing if that cannot be seen.
std::optional<bool> leads_to_pod(Netlink &netlink, const InterfaceView &view, const podrtt_pod &pod)
{
    auto netns = Netns::open(pod.netns);
    if (!netns) {
        std::error_code error;
        const std::filesystem::path path = pod.netns;
        const bool gone = netns.error().code == ENOENT && path.has_parent_path() &&
                          std::filesystem::exists(path.parent_path(), error);
        return gone ? std::optional(false) : std::nullopt;
    }
    auto veth = find_host_veth(*netns, pod.ifname);
    if (!veth && veth.error().code == EPERM) // without CAP_SYS_ADMIN a pod cannot be entered
        return view.veth && netnsid_of(netlink, *netns) == view.peer_netnsid &&
               has_recorded_peer(view, pod);
    return veth && is_recorded_veth(pod, *veth);
}

bool is_addition(const Step &step)
{
    return step.action == Action::add_clsact || step.action == Action::add_filter ||
           step.action == Action::replace_filter;
}

Result<void> remove_step(Netlink &netlink, int ifindex, const Step &step)
{
    return step.action == Action::delete_filter
               ? delete_filter(netlink, ifindex, step.hook, step.priority, step.handle)
               : delete_tcx(ifindex, step.hook, step.program_id);
}

Result<void> remove_all(Netlink &netlink, int ifindex)
{
    auto view = observe(netlink, ifindex);
    if (!view)
        return std::unexpected(view.error());
    for (const Step &step : plan_removal(*view).steps)
        if (auto removed = remove_step(netlink, ifindex, step); !removed)
            return removed;
    return {};
}

} // namespace

Result<Attacher::ByHook> Attacher::open_programs(const Pins &pins, const char *from_pod, const char *to_pod)
{
    ByHook programs;
    // What the pod sends comes in at its host veth.
    for (const auto &[hook, name] : {std::pair(Hook::ingress, from_pod), std::pair(Hook::egress, to_pod)}) {
        auto fd = pins.program(name);
        if (!fd)
            return std::unexpected(fd.error());
        auto info = program_info(fd->get());
        if (!info)
            return std::unexpected(info.error());
        programs[static_cast<std::size_t>(hook)] = {name, std::move(*fd), info->id};
    }
    return programs;
}

Result<Attacher> Attacher::open(const Pins &pins)
{
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    auto filters = open_programs(pins, PODRTT_PROGRAM_FROM_POD, PODRTT_PROGRAM_TO_POD);
    if (!filters)
        return std::unexpected(filters.error());
    auto tcx = open_programs(pins, PODRTT_PROGRAM_TCX_FROM, PODRTT_PROGRAM_TCX_TO);
    if (!tcx)
        return std::unexpected(tcx.error());
    auto tcx_pods = TcxPods::open(pins.path(PODRTT_MAP_TCX_PODS));
    if (!tcx_pods)
        return std::unexpected(tcx_pods.error());
    auto settings = pins.settings();
    auto owner = settings ? settings->lookup(PODRTT_SETTING_OWNER) : std::unexpected(settings.error());
    if (!owner)
        return std::unexpected(owner.error());
    auto owners = Owners::open();
    if (!owners)
        return std::unexpected(owners.error());
    return Attacher(std::move(*netlink), std::move(*filters), std::move(*tcx), std::move(*tcx_pods),
                    static_cast<std::uint32_t>(owner->value_or(0)), std::move(*owners));
}

std::optional<std::uint32_t> Attacher::pod_on(const InterfaceView &view) const
{
    for (const Hook hook : hooks) {
        for (const TcxProgram &program : view.at(hook).tcx)
            if (program.ours())
                if (auto id = tcx_pods_.lookup(static_cast<std::uint32_t>(view.ifindex)); id && *id)
                    return *id;
        for (const Filter &filter : view.at(hook).filters)
            if (filter.ours() && filter.classid >> 16 == owner_ && filter.classid & PODRTT_MAX_POD_ID)
                return filter.classid & PODRTT_MAX_POD_ID;
    }
    return std::nullopt;
}

bool Attacher::is_same_interface(const InterfaceView &view, std::uint32_t id, const podrtt_pod &pod)
{
    if (!has_interface(pod) || !view.exists() ||
        static_cast<std::uint32_t>(view.ifindex) != pod.host_ifindex)
        return false;
    if (const auto attached = pod_on(view))
        return *attached == id;
    if (const auto same = leads_to_pod(netlink_, view, pod))
        return *same;
    // The network namespace cannot be seen: the veth must look the same, and not be on its way out.
    return !pod.deleted && view.veth && view.name == pod.host_ifname && has_recorded_peer(view, pod);
}

Wanted Attacher::wanted(std::uint32_t id, podrtt_attach form) const
{
    const bool inside = form == PODRTT_ATTACH_POD;
    Wanted wanted = {.form = form, .classid = classid(id)};
    for (const Hook hook : hooks) {
        const auto at = static_cast<std::size_t>(hook);
        wanted.filter_programs[at] = filters_[static_cast<std::size_t>(inside ? opposite(hook) : hook)].id;
        wanted.tcx_programs[at] = tcx_[at].id;
    }
    return wanted;
}

Result<void> Attacher::apply(Netlink &netlink, const InterfaceView &view, const Plan &plan,
                             std::uint32_t id)
{
    const bool inside = plan.form == PODRTT_ATTACH_POD;
    const auto ifindex = static_cast<std::uint32_t>(view.ifindex);
    if (plan.form == PODRTT_ATTACH_TCX)
        if (auto named = tcx_pods_.update(ifindex, id); !named)
            return named;
    Additions additions(netlink, view.ifindex);
    for (const Step &step : plan.steps) {
        const auto &filter = filters_[static_cast<std::size_t>(inside ? opposite(step.hook) : step.hook)];
        const auto &tcx = tcx_[static_cast<std::size_t>(step.hook)];
        Result<void> done;
        if (!is_addition(step))
            done = additions.send(); // what comes now may undo what was there before
        if (!done)
            return done;
        switch (step.action) {
        case Action::add_clsact:
            done = additions.add_clsact();
            break;
        case Action::add_filter:
        case Action::replace_filter:
            done = additions.put_filter(
                step.hook, {step.priority, step.handle, filter.fd.get(), filter.name, classid(id)},
                step.action == Action::replace_filter);
            break;
        case Action::put_tcx:
            done = put_tcx_first(view.ifindex, step.hook, tcx.fd.get());
            break;
        case Action::replace_tcx:
            done = replace_tcx(view.ifindex, step.hook, tcx.fd.get(), step.program_id);
            break;
        case Action::delete_filter:
        case Action::delete_tcx:
            done = remove_step(netlink, view.ifindex, step);
            break;
        }
        if (!done)
            return done;
    }
    return additions.send();
}

bool Attacher::is_tcx_of_another(const TcxProgram &program) const
{
    if (!program.ours() || std::ranges::find(tcx_, program.id, &Program::id) != tcx_.end())
        return false;
    const std::uint32_t owner = owner_of_program(program.id);
    return owner && owner != owner_ && owners_.is_alive(owner);
}

// One owner a veth: two would replace each other's programs for ever, and each see a part.
Result<void> Attacher::leave_to_another(const InterfaceView &view) const
{
    const auto is_of_another = [this](const Filter &filter) {
        const std::uint32_t owner = filter.classid >> 16;
        return filter.ours() && owner && owner != owner_ && owners_.is_alive(owner);
    };
    for (const HookView &hook : view.by_hook)
        if (std::ranges::any_of(hook.filters, is_of_another) ||
            std::ranges::any_of(hook.tcx,
                                [this](const auto &program) { return is_tcx_of_another(program); }))
            return std::unexpected(Error{"attach to", view.name, EADDRINUSE,
                                         "another podrttd, with other pins, measures it; run one a node"});
    return {};
}

Result<podrtt_attach> Attacher::attach_to(Netlink &netlink, InterfaceView view, std::uint32_t id,
                                          podrtt_attach form)
{
    for (int attempt = 1;; attempt++) {
        if (auto left = leave_to_another(view); !left)
            return std::unexpected(left.error());
        auto planned = plan(view, wanted(id, form));
        if (!planned) {
            // Another's qdisc has come meanwhile, and ours would see packets the wrong way on it.
            if (auto removed = attempt > 1 ? remove_all(netlink, view.ifindex) : Result<void>(); !removed)
                return std::unexpected(removed.error());
            return std::unexpected(planned.error());
        }
        auto applied = apply(netlink, view, *planned, id);
        if (applied)
            return planned->form;
        if (applied.error().code != EEXIST || attempt == max_attempts) {
            if (form == PODRTT_ATTACH_POD) // not one direction alone
                if (auto removed = remove_all(netlink, view.ifindex); !removed)
                    return std::unexpected(removed.error());
            return std::unexpected(applied.error());
        }
        auto again = attach::observe(netlink, view.ifindex);
        if (!again)
            return std::unexpected(again.error());
        view = std::move(*again);
        // Ours may be on another qdisc than clsact now, one that came meanwhile.
        auto qdisc = qdisc_at_clsact(netlink, view.ifindex);
        if (!qdisc)
            return std::unexpected(qdisc.error());
        view.qdisc = std::move(*qdisc);
    }
}

Result<podrtt_attach> Attacher::attach(const InterfaceView &view, std::uint32_t id, podrtt_attach form)
{
    return attach_to(netlink_, view, id, form);
}

bool Attacher::is_in_place(const InterfaceView &view, std::uint32_t id, podrtt_attach form) const
{
    const auto planned = plan(view, wanted(id, form));
    return planned && planned->steps.empty();
}

Result<void> Attacher::attach_inside(std::uint32_t id, const podrtt_pod &pod)
{
    auto inside = Inside::enter(pod);
    if (!inside)
        return std::unexpected(inside.error());
    auto view = attach::observe(inside->netlink, inside->ifindex);
    if (!view)
        return std::unexpected(view.error());
    auto attached = attach_to(inside->netlink, std::move(*view), id, PODRTT_ATTACH_POD);
    return attached ? Result<void>() : std::unexpected(attached.error());
}

Result<void> Attacher::attach_reversed(const InterfaceView &view, std::uint32_t id)
{
    if (auto left = leave_to_another(view); !left)
        return left;
    auto attached = attach_to(netlink_, view, id, PODRTT_ATTACH_POD);
    return attached ? Result<void>() : std::unexpected(attached.error());
}

Result<bool> Attacher::is_attached(const podrtt_pod &pod)
{
    if (pod.attach != PODRTT_ATTACH_POD) {
        auto view = observe(static_cast<int>(pod.host_ifindex));
        return view ? has_own_of_ours(*view) : std::unexpected(view.error());
    }
    auto inside = Inside::enter(pod);
    if (!inside)
        return std::unexpected(inside.error());
    auto view = attach::observe(inside->netlink, inside->ifindex);
    return view ? has_own_of_ours(*view) : std::unexpected(view.error());
}

Result<bool> Attacher::has_own_of_ours(const InterfaceView &view) const
{
    if (auto left = leave_to_another(view); !left)
        return std::unexpected(left.error());
    return view.has_own();
}

Result<void> Attacher::forget_interface(std::uint32_t id, const podrtt_pod &pod)
{
    auto named = tcx_pods_.lookup(pod.host_ifindex);
    if (!named)
        return std::unexpected(named.error());
    return *named == id ? tcx_pods_.erase(pod.host_ifindex) : Result<void>();
}

Result<void> detach(Netlink &netlink, int ifindex)
{
    return remove_all(netlink, ifindex);
}

Result<void> detach_inside(const podrtt_pod &pod)
{
    auto inside = Inside::enter(pod);
    return inside ? remove_all(inside->netlink, inside->ifindex) : std::unexpected(inside.error());
}

} // namespace podrtt::attach
