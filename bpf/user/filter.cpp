// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "filter.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace podrtt
{
namespace
{

// "podr": not 1, which Cilium and others take for theirs.
constexpr std::uint32_t own_handle = 0x706f6472;
constexpr std::string_view own_name_prefix = "podrtt_";

// Where nobody else is: with room before and behind, and before the 49152 that the
// kernel hands out to who names none.
constexpr std::uint16_t default_priority = 10000;

std::uint32_t parent(Hook hook)
{
    return TC_H_MAKE(TC_H_CLSACT, hook == Hook::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

std::string describe(int ifindex, Hook hook)
{
    return std::string(hook == Hook::ingress ? "ingress" : "egress") + " of interface " +
           std::to_string(ifindex);
}

NetlinkMessage tc_message(int type, int flags, const tcmsg &header)
{
    NetlinkMessage message(nlmsg_alloc_simple(type, flags));
    if (message &&
        nlmsg_append(message.get(), const_cast<tcmsg *>(&header), sizeof(header), NLMSG_ALIGNTO) != 0)
        message.reset();
    return message;
}

tcmsg filter_header(int ifindex, Hook hook, std::uint16_t priority, std::uint32_t handle)
{
    tcmsg header = {};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = ifindex;
    header.tcm_handle = handle;
    header.tcm_parent = parent(hook);
    header.tcm_info = TC_H_MAKE(static_cast<std::uint32_t>(priority) << 16, htons(ETH_P_ALL));
    return header;
}

// The kind of the qdisc that sits where clsact does.
Result<std::string> kind_at_clsact(Netlink &netlink, int ifindex)
{
    tcmsg header = {};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = ifindex;
    auto message = tc_message(RTM_GETQDISC, NLM_F_DUMP, header);
    if (!message)
        return failure("list qdiscs of interface", std::to_string(ifindex), ENOMEM);
    std::string kind;
    int error = netlink.query(message.get(), [&kind, ifindex](nlmsghdr *answer) {
        const auto *qdisc = static_cast<const tcmsg *>(nlmsg_data(answer));
        nlattr *attribute = nlmsg_find_attr(answer, sizeof(tcmsg), TCA_KIND);
        if (qdisc->tcm_ifindex == ifindex && qdisc->tcm_parent == TC_H_CLSACT && attribute)
            kind = nla_get_string(attribute);
    });
    if (error < 0)
        return netlink_failure("list qdiscs of interface", std::to_string(ifindex), error);
    return kind;
}

Result<void> ensure_clsact(Netlink &netlink, int ifindex)
{
    tcmsg header = {};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = ifindex;
    header.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0);
    header.tcm_parent = TC_H_CLSACT;
    auto message = tc_message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL, header);
    if (!message || nla_put_string(message.get(), TCA_KIND, "clsact") != 0)
        return failure("create clsact qdisc on interface", std::to_string(ifindex), ENOMEM);
    int error = netlink.request(message.get());
    if (error != 0 && error != -NLE_EXIST)
        return netlink_failure("create clsact qdisc on interface", std::to_string(ifindex), error);
    if (error == 0)
        return {};

    // An ingress qdisc lies in the same place. It takes filters for egress, too, but runs
    // them at ingress.
    auto kind = kind_at_clsact(netlink, ifindex);
    if (!kind)
        return std::unexpected(kind.error());
    if (*kind != "clsact")
        return failure("create clsact qdisc on interface", std::to_string(ifindex),
                       "its place is taken by a qdisc of kind \"" + *kind +
                           "\" (the CNI plugin bandwidth creates one)");
    return {};
}

std::optional<Filter> parse_filter(nlmsghdr *answer)
{
    nlattr *attributes[TCA_MAX + 1];
    if (nlmsg_parse(answer, sizeof(tcmsg), attributes, TCA_MAX, nullptr) < 0 || !attributes[TCA_KIND])
        return std::nullopt;

    const auto *header = static_cast<const tcmsg *>(nlmsg_data(answer));
    if (header->tcm_handle == 0) // the priority's head, which precedes its filters
        return std::nullopt;
    Filter filter = {header->tcm_handle, static_cast<std::uint16_t>(TC_H_MAJ(header->tcm_info) >> 16),
                     nla_get_string(attributes[TCA_KIND]), "", 0};
    nlattr *options[TCA_BPF_MAX + 1];
    if (filter.kind == "bpf" && attributes[TCA_OPTIONS] &&
        nla_parse_nested(options, TCA_BPF_MAX, attributes[TCA_OPTIONS], nullptr) == 0) {
        if (options[TCA_BPF_NAME])
            filter.name = nla_get_string(options[TCA_BPF_NAME]);
        if (options[TCA_BPF_ID])
            filter.program_id = nla_get_u32(options[TCA_BPF_ID]);
    }
    return filter;
}

// Before all others: at a lower priority if there is one left, else at theirs, where
// the kernel runs the newest filter first.
std::uint16_t choose_priority(const std::vector<Filter> &filters)
{
    std::uint16_t priority = default_priority;
    for (const Filter &filter : filters)
        priority = std::min<std::uint16_t>(priority, filter.priority > 1 ? filter.priority - 1 : 1);
    return priority;
}

Result<std::uint32_t> program_id(int program_fd)
{
    bpf_prog_info info = {};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0)
        return failure("inspect", "program", errno);
    return info.id;
}

const Filter *find_ours(const std::vector<Filter> &filters)
{
    auto ours = std::ranges::find_if(filters, &Filter::ours);
    return ours == filters.end() ? nullptr : &*ours;
}

// One attempt. Returns 0 or a negative libnl code.
Result<int> try_attach(Netlink &netlink, int ifindex, Hook hook, int program_fd, std::uint32_t id,
                       const std::string &name)
{
    auto filters = list_filters(netlink, ifindex, hook);
    if (!filters)
        return std::unexpected(filters.error());
    const Filter *ours = find_ours(*filters);
    if (ours && ours->program_id == id)
        return 0;

    std::uint16_t priority = ours ? ours->priority : choose_priority(*filters);
    auto message = tc_message(RTM_NEWTFILTER, NLM_F_CREATE | (ours ? NLM_F_REPLACE : NLM_F_EXCL),
                              filter_header(ifindex, hook, priority, own_handle));
    nlattr *options = nullptr;
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0 ||
        !(options = nla_nest_start(message.get(), TCA_OPTIONS)) ||
        nla_put_u32(message.get(), TCA_BPF_FD, static_cast<std::uint32_t>(program_fd)) != 0 ||
        nla_put_string(message.get(), TCA_BPF_NAME, name.c_str()) != 0 ||
        nla_put_u32(message.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) != 0)
        return failure("attach filter to", describe(ifindex, hook), ENOMEM);
    nla_nest_end(message.get(), options);
    int error = netlink.request(message.get());
    if (error == -NLE_INVAL && priority == 1)
        return failure("attach filter to", describe(ifindex, hook),
                       "another's filter of priority 1 leaves no room before it");
    return error;
}

} // namespace

bool Filter::ours() const
{
    return kind == "bpf" && handle == own_handle && name.starts_with(own_name_prefix);
}

Result<std::vector<Filter>> list_filters(Netlink &netlink, int ifindex, Hook hook)
{
    auto message = tc_message(RTM_GETTFILTER, NLM_F_DUMP, [&] {
        tcmsg header = filter_header(ifindex, hook, 0, 0);
        header.tcm_info = 0;
        return header;
    }());
    if (!message)
        return failure("list filters at", describe(ifindex, hook), ENOMEM);

    std::vector<Filter> filters;
    int error = netlink.query(message.get(), [&filters](nlmsghdr *answer) {
        if (auto filter = parse_filter(answer))
            filters.push_back(std::move(*filter));
    });
    if (error < 0)
        return netlink_failure("list filters at", describe(ifindex, hook), error);
    return filters;
}

Result<void> attach_filter(Netlink &netlink, int ifindex, Hook hook, int program_fd,
                           const std::string &name)
{
    if (auto clsact = ensure_clsact(netlink, ifindex); !clsact)
        return clsact;
    auto id = program_id(program_fd);
    if (!id)
        return std::unexpected(id.error());

    // The plugin and the daemon may do this at the same time: whoever is second finds the
    // other's filter and looks again.
    auto attached = try_attach(netlink, ifindex, hook, program_fd, *id, name);
    if (attached && *attached == -NLE_EXIST)
        attached = try_attach(netlink, ifindex, hook, program_fd, *id, name);
    if (!attached)
        return std::unexpected(attached.error());
    if (*attached != 0)
        return netlink_failure("attach filter to", describe(ifindex, hook), *attached);
    return {};
}

Result<void> detach_filter(Netlink &netlink, int ifindex, Hook hook)
{
    auto filters = list_filters(netlink, ifindex, hook);
    if (!filters)
        return std::unexpected(filters.error());
    const Filter *ours = find_ours(*filters);
    if (!ours)
        return {};

    auto message = tc_message(RTM_DELTFILTER, 0, filter_header(ifindex, hook, ours->priority, own_handle));
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0)
        return failure("detach filter from", describe(ifindex, hook), ENOMEM);
    int error = netlink.request(message.get());
    if (error != 0 && error != -NLE_OBJ_NOTFOUND)
        return netlink_failure("detach filter from", describe(ifindex, hook), error);
    return {};
}

} // namespace podrtt
