// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attachment.h"

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "filter.h"
#include "tcx.h"
#include "veth.h"

namespace podrtt
{
namespace
{

struct Program {
    const char *name;
    Hook hook;
};

constexpr Program host_programs[] = {
    {PODRTT_PROGRAM_FROM_POD, Hook::ingress},
    {PODRTT_PROGRAM_TO_POD, Hook::egress},
};

// The other way round: what the pod sends goes out at its own interface.
constexpr Program pod_programs[] = {
    {PODRTT_PROGRAM_POD_OUT, Hook::egress},
    {PODRTT_PROGRAM_POD_IN, Hook::ingress},
};

Result<void> attach_filters(Netlink &netlink, const Pins &pins, int ifindex, const Program (&programs)[2],
                            std::uint32_t classid)
{
    for (const auto &[name, hook] : programs) {
        auto program = pins.program(name);
        if (!program)
            return std::unexpected(program.error());
        if (auto attached = attach_filter(netlink, ifindex, hook, program->get(), name, classid); !attached)
            return attached;
    }
    return {};
}

// The new form is there before the other goes. A packet that both see meanwhile looks like
// a retransmission, and yields no sample.
Result<void> attach_by_clsact(Netlink &netlink, const Pins &pins, int ifindex)
{
    if (auto attached = attach_filters(netlink, pins, ifindex, host_programs, 0); !attached)
        return attached;
    for (const auto &[name, hook] : host_programs)
        if (auto detached = detach_tcx(ifindex, hook); !detached)
            return detached;
    return {};
}

Result<void> attach_by_tcx(Netlink &netlink, const Pins &pins, int ifindex)
{
    for (const auto &[name, hook] : host_programs) {
        auto program = pins.program(name);
        if (!program)
            return std::unexpected(program.error());
        if (auto attached = attach_tcx(ifindex, hook, program->get()); !attached)
            return attached;
    }
    for (const auto &[name, hook] : host_programs)
        if (auto detached = detach_filter(netlink, ifindex, hook); !detached)
            return detached;
    return {};
}

Result<podrtt_attach> attach_automatically(Netlink &netlink, const Pins &pins, int ifindex)
{
    auto used = is_tcx_used(ifindex);
    if (!used)
        return std::unexpected(used.error());
    if (!*used) {
        auto attached = attach_by_clsact(netlink, pins, ifindex);
        if (attached)
            return PODRTT_ATTACH_CLSACT;
        if (attached.error().code != EBUSY)
            return std::unexpected(attached.error());
        // Something else is in clsact's place, or leaves no room before it. A kernel
        // without TCX cannot help; then that is the reason to tell.
        if (attach_by_tcx(netlink, pins, ifindex))
            return PODRTT_ATTACH_TCX;
        if (auto detached = detach(netlink, ifindex); !detached) // what there was room for
            return std::unexpected(detached.error());
        return std::unexpected(attached.error());
    }
    if (auto attached = attach_by_tcx(netlink, pins, ifindex); !attached)
        return std::unexpected(attached.error());
    return PODRTT_ATTACH_TCX;
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
        if (static_cast<std::uint32_t>(veth->ifindex) != pod.host_ifindex)
            return failure("enter the pod at", pod.netns,
                           "its " + std::string(pod.ifname) + " does not lead to " + pod.host_ifname);
        auto guard = NetnsGuard::enter(*netns);
        if (!guard)
            return std::unexpected(guard.error());
        auto netlink = Netlink::open();
        if (!netlink)
            return std::unexpected(netlink.error());
        auto link = netlink->link(pod.ifname);
        if (!link)
            return std::unexpected(link.error());
        return Inside{std::move(*guard), std::move(*netlink), rtnl_link_get_ifindex(link->get())};
    }
};

Result<void> detach_pod_programs(Inside &inside)
{
    for (const auto &[name, hook] : pod_programs)
        if (auto detached = detach_filter(inside.netlink, inside.ifindex, hook); !detached)
            return detached;
    return {};
}

bool is_same_attachment(const podrtt_pod &a, const podrtt_pod &b)
{
    return std::string_view(a.container_id) == b.container_id && std::string_view(a.ifname) == b.ifname;
}

Result<bool> is_attached_at(Netlink &netlink, int ifindex)
{
    for (Hook hook : {Hook::ingress, Hook::egress}) {
        auto filters = list_filters(netlink, ifindex, hook);
        if (!filters)
            return std::unexpected(filters.error());
        auto programs = list_tcx(ifindex, hook);
        if (!programs)
            return std::unexpected(programs.error());
        if (std::ranges::none_of(*filters, &Filter::ours) &&
            std::ranges::none_of(*programs, &TcxProgram::ours))
            return false;
    }
    return true;
}

} // namespace

Result<bool> is_tcx_used(int ifindex)
{
    for (Hook hook : {Hook::ingress, Hook::egress}) {
        auto programs = list_tcx(ifindex, hook);
        if (!programs)
            return std::unexpected(programs.error());
        if (!programs->empty())
            return true;
    }
    return false;
}

Result<podrtt_attach> attach(Netlink &netlink, const Pins &pins, int host_ifindex, podrtt_attach wanted)
{
    if (wanted == PODRTT_ATTACH_AUTO)
        return attach_automatically(netlink, pins, host_ifindex);
    auto attached = wanted == PODRTT_ATTACH_TCX ? attach_by_tcx(netlink, pins, host_ifindex)
                                                : attach_by_clsact(netlink, pins, host_ifindex);
    if (!attached)
        return std::unexpected(attached.error());
    return wanted;
}

Result<void> detach(Netlink &netlink, int host_ifindex)
{
    for (const auto &[name, hook] : host_programs) {
        if (auto detached = detach_filter(netlink, host_ifindex, hook); !detached)
            return detached;
        if (auto detached = detach_tcx(host_ifindex, hook); !detached)
            return detached;
    }
    return {};
}

Result<void> detach_in_pod(const podrtt_pod &pod)
{
    auto inside = Inside::enter(pod);
    return inside ? detach_pod_programs(*inside) : std::unexpected(inside.error());
}

Result<void> attach_in_pod(const Pins &pins, std::uint32_t id, const podrtt_pod &pod)
{
    auto inside = Inside::enter(pod);
    if (!inside)
        return std::unexpected(inside.error());
    auto attached =
        attach_filters(inside->netlink, pins, inside->ifindex, pod_programs, id & PODRTT_MAX_CLASSID);
    if (!attached)
        if (auto detached = detach_pod_programs(*inside); !detached)
            return detached;
    return attached;
}

Result<std::uint32_t> add_in_pod(Map<std::uint32_t, podrtt_pod> &pods, const podrtt_pod &pod)
{
    auto known = pods.entries();
    if (!known)
        return std::unexpected(known.error());
    for (const auto &[id, other] : *known)
        if (id & PODRTT_ID_IN_POD && is_same_attachment(other, pod))
            return id;
    for (std::uint32_t i = 0; i < PODRTT_MAX_CLASSID; i++) {
        // From the host veth's number on, so that one is free at once; never 0.
        const std::uint32_t classid = (pod.host_ifindex + i) % PODRTT_MAX_CLASSID + 1;
        const std::uint32_t id = PODRTT_ID_IN_POD | classid;
        auto written = pods.update(id, pod, BPF_NOEXIST);
        if (written)
            return id;
        if (written.error().code != EEXIST)
            return std::unexpected(written.error());
    }
    return failure("add", "pod", "all classids are in use");
}

Result<bool> is_attached(std::uint32_t id, const podrtt_pod &pod)
{
    if (!(id & PODRTT_ID_IN_POD)) {
        auto netlink = Netlink::open();
        if (!netlink)
            return std::unexpected(netlink.error());
        return is_attached_at(*netlink, static_cast<int>(id));
    }
    auto inside = Inside::enter(pod);
    if (!inside)
        return std::unexpected(inside.error());
    return is_attached_at(inside->netlink, inside->ifindex);
}

} // namespace podrtt
