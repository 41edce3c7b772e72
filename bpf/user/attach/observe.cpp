// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/attach/observe.h"

#include <linux/if_ether.h>

#include <algorithm>

#include "bpf/user/attach/clsact.h"
#include "bpf/user/attach/tcx.h"
#include "bpf/user/program.h"
#include "bpf/user/veth.h"

namespace podrtt::attach
{
namespace
{

void set_link(InterfaceView &view, rtnl_link *link)
{
    view.name = rtnl_link_get_name(link);
    view.veth = is_veth(link);
    view.peer_ifindex = rtnl_link_get_link(link);
    if (int nsid = -1; rtnl_link_get_link_netnsid(link, &nsid) == 0)
        view.peer_netnsid = nsid;
}

} // namespace

std::string describe(int ifindex, Hook hook)
{
    return std::string(hook == Hook::ingress ? "ingress" : "egress") + " of interface " +
           std::to_string(ifindex);
}

bool Filter::ours() const
{
    return kind == "bpf" && std::ranges::find(own_handles, handle) != std::end(own_handles) &&
           is_own_program(name);
}

bool TcxProgram::ours() const
{
    return is_own_program(name);
}

bool InterfaceView::uses_tcx() const
{
    return std::ranges::any_of(by_hook, [](const HookView &hook) { return !hook.tcx.empty(); });
}

bool InterfaceView::has_own_filters() const
{
    return std::ranges::all_of(
        by_hook, [](const HookView &hook) { return std::ranges::any_of(hook.filters, &Filter::ours); });
}

bool InterfaceView::has_own() const
{
    return std::ranges::all_of(by_hook, [](const HookView &hook) {
        return std::ranges::any_of(hook.tcx, &TcxProgram::ours) ||
               std::ranges::any_of(hook.filters, &Filter::ours);
    });
}

Result<InterfaceView> observe(Netlink &netlink, int ifindex)
{
    InterfaceView view;
    view.ifindex = ifindex;
    auto link = netlink.link(ifindex);
    if (!link && (link.error().code == ENODEV || link.error().code == ENOENT))
        return view;
    if (!link)
        return std::unexpected(link.error());
    set_link(view, link->get());

    for (const Hook hook : hooks) {
        auto tcx = list_tcx(ifindex, hook);
        if (!tcx)
            return std::unexpected(tcx.error());
        view.has_tcx = tcx->supported;
        view.at(hook).tcx = std::move(tcx->programs);
    }
    // What is not there need not be read: each reading waits for the RTNL lock.
    const auto read_filters = [&](Hook hook) -> Result<void> {
        auto filters = list_filters(netlink, ifindex, hook);
        if (!filters)
            return std::unexpected(filters.error());
        view.at(hook).filters = std::move(*filters);
        return {};
    };
    if (auto read = read_filters(Hook::ingress); !read)
        return std::unexpected(read.error());
    // Ours are never attached to another qdisc; this saves most readings of all qdiscs.
    if (std::ranges::any_of(view.at(Hook::ingress).filters, &Filter::ours)) {
        view.qdisc = "clsact";
    } else {
        auto qdisc = qdisc_at_clsact(netlink, ifindex);
        if (!qdisc)
            return std::unexpected(qdisc.error());
        view.qdisc = std::move(*qdisc);
    }
    if (!view.qdisc.empty())
        if (auto read = read_filters(Hook::egress); !read)
            return std::unexpected(read.error());
    return view;
}

} // namespace podrtt::attach
