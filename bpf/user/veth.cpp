// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/veth.h"

#include <linux/net_namespace.h>

#include <string_view>

namespace podrtt
{

bool is_veth(rtnl_link *link)
{
    const char *type = rtnl_link_get_type(link);
    return type && std::string_view(type) == "veth";
}

namespace
{

// The interface inside the pod, and its network namespace's cookie.
struct Inner {
    Link link;
    std::uint64_t netns_cookie;
};

Result<Inner> find_inner(const Netns &pod, const std::string &ifname)
{
    auto guard = NetnsGuard::enter(pod);
    if (!guard)
        return std::unexpected(guard.error());
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    auto link = netlink->link(ifname);
    if (!link)
        return std::unexpected(link.error());
    return Inner{std::move(*link), netlink->namespace_cookie()};
}

} // namespace

int netnsid_of(Netlink &netlink, const Netns &netns)
{
    NetlinkMessage message(nlmsg_alloc_simple(RTM_GETNSID, 0));
    rtgenmsg header = {};
    if (!message || nlmsg_append(message.get(), &header, sizeof(header), NLMSG_ALIGNTO) != 0 ||
        nla_put_u32(message.get(), NETNSA_FD, static_cast<std::uint32_t>(netns.fd())) != 0)
        return -1;

    int nsid = -1;
    netlink.query(message.get(), [&nsid](nlmsghdr *answer) {
        nlattr *attribute = nlmsg_find_attr(answer, sizeof(rtgenmsg), NETNSA_NSID);
        if (attribute)
            nsid = nla_get_s32(attribute);
    });
    return nsid;
}

Result<HostVeth> find_host_veth(const Netns &pod, const std::string &ifname)
{
    const std::string object = ifname + " in " + pod.path();

    auto inner = find_inner(pod, ifname);
    if (!inner)
        return std::unexpected(inner.error());
    if (!is_veth(inner->link.get())) {
        const char *type = rtnl_link_get_type(inner->link.get());
        return std::unexpected(Error{"find the host veth of", object, EOPNOTSUPP,
                                     std::string("it is not a veth but ") + (type ? type : "a device")});
    }

    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    int peer = rtnl_link_get_link(inner->link.get());
    auto outer = netlink->link(peer);
    if (!outer)
        return failure("find the host veth of", object, "its peer is not in the node's network namespace");

    // Interface numbers are the namespace's own: the interface of that number here may
    // be another than the peer. The peer points back, at the interface and its namespace.
    int nsid = -1;
    bool known = rtnl_link_get_link_netnsid(outer->get(), &nsid) == 0;
    if (!is_veth(outer->get()) ||
        rtnl_link_get_link(outer->get()) != rtnl_link_get_ifindex(inner->link.get()) || !known ||
        nsid != netnsid_of(*netlink, pod))
        return failure("find the host veth of", object, "its peer is not in the node's network namespace");

    return HostVeth{peer, rtnl_link_get_name(outer->get()), rtnl_link_get_ifindex(inner->link.get()),
                    inner->netns_cookie};
}

} // namespace podrtt
