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
#include <iterator>

#include "program.h"

namespace podrtt
{
namespace
{

// "podr" and the next: not 1, which Cilium and others take for theirs. Two, so that a
// filter can be put before another of its own priority.
constexpr std::uint32_t own_handles[] = {0x706f6472, 0x706f6473};

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
        return std::unexpected(Error{"create clsact qdisc on interface", std::to_string(ifindex), EBUSY,
                                     "its place is taken by a qdisc of kind \"" + *kind +
                                         "\" (the CNI plugin bandwidth creates one)"});
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
    Filter filter = {header->tcm_handle,
                     static_cast<std::uint16_t>(TC_H_MAJ(header->tcm_info) >> 16),
                     nla_get_string(attributes[TCA_KIND]),
                     "",
                     0,
                     0};
    nlattr *options[TCA_BPF_MAX + 1];
    if (filter.kind == "bpf" && attributes[TCA_OPTIONS] &&
        nla_parse_nested(options, TCA_BPF_MAX, attributes[TCA_OPTIONS], nullptr) == 0) {
        if (options[TCA_BPF_NAME])
            filter.name = nla_get_string(options[TCA_BPF_NAME]);
        if (options[TCA_BPF_ID])
            filter.program_id = nla_get_u32(options[TCA_BPF_ID]);
        if (options[TCA_BPF_CLASSID])
            filter.classid = nla_get_u32(options[TCA_BPF_CLASSID]);
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

// What we attach, and the number by which the kernel knows its program.
struct Attached {
    int program_fd;
    std::uint32_t program_id;
    const std::string &name;
    std::uint32_t classid;
};

// Sends one of our filters. Returns 0 or a negative libnl code.
Result<int> send_filter(Netlink &netlink, int ifindex, Hook hook, int flags, std::uint16_t priority,
                        std::uint32_t handle, const Attached &attached)
{
    auto message =
        tc_message(RTM_NEWTFILTER, NLM_F_CREATE | flags, filter_header(ifindex, hook, priority, handle));
    nlattr *options = nullptr;
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0 ||
        !(options = nla_nest_start(message.get(), TCA_OPTIONS)) ||
        nla_put_u32(message.get(), TCA_BPF_FD, static_cast<std::uint32_t>(attached.program_fd)) != 0 ||
        nla_put_string(message.get(), TCA_BPF_NAME, attached.name.c_str()) != 0 ||
        (attached.classid && nla_put_u32(message.get(), TCA_BPF_CLASSID, attached.classid) != 0) ||
        nla_put_u32(message.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) != 0)
        return failure("attach filter to", describe(ifindex, hook), ENOMEM);
    nla_nest_end(message.get(), options);
    return netlink.request(message.get());
}

Result<void> delete_filter(Netlink &netlink, int ifindex, Hook hook, const Filter &filter)
{
    auto message =
        tc_message(RTM_DELTFILTER, 0, filter_header(ifindex, hook, filter.priority, filter.handle));
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0)
        return failure("detach filter from", describe(ifindex, hook), ENOMEM);
    int error = netlink.request(message.get());
    if (error != 0 && error != -NLE_OBJ_NOTFOUND)
        return netlink_failure("detach filter from", describe(ifindex, hook), error);
    return {};
}

// Whether one of ours is at this priority, under this handle.
bool is_taken(const std::vector<Filter> &filters, std::uint16_t priority, std::uint32_t handle)
{
    return std::ranges::any_of(filters, [&](const Filter &filter) {
        return filter.priority == priority && filter.handle == handle;
    });
}

// One attempt. Returns 0 or a negative libnl code.
Result<int> try_attach(Netlink &netlink, int ifindex, Hook hook, const Attached &attached)
{
    auto filters = list_filters(netlink, ifindex, hook);
    if (!filters)
        return std::unexpected(filters.error());

    Result<int> sent = 0;
    const Filter *first = !filters->empty() && filters->front().ours() ? &filters->front() : nullptr;
    if (first && (first->program_id != attached.program_id || first->classid != attached.classid)) {
        sent = send_filter(netlink, ifindex, hook, NLM_F_REPLACE, first->priority, first->handle, attached);
    } else if (!first) {
        std::vector<Filter> others;
        std::ranges::remove_copy_if(*filters, std::back_inserter(others), &Filter::ours);
        std::uint16_t priority = choose_priority(others);
        std::uint32_t handle =
            is_taken(*filters, priority, own_handles[0]) ? own_handles[1] : own_handles[0];
        sent = send_filter(netlink, ifindex, hook, NLM_F_EXCL, priority, handle, attached);
        if (sent && *sent == -NLE_INVAL && priority == 1)
            return std::unexpected(Error{"attach filter to", describe(ifindex, hook), EBUSY,
                                         "another's filter of priority 1 leaves no room before it"});
    }
    if (!sent || *sent != 0)
        return sent;

    // Those of ours that others have got in front of.
    for (const Filter &filter : *filters)
        if (filter.ours() && &filter != first)
            if (auto deleted = delete_filter(netlink, ifindex, hook, filter); !deleted)
                return std::unexpected(deleted.error());
    return 0;
}

} // namespace

bool Filter::ours() const
{
    return kind == "bpf" && std::ranges::find(own_handles, handle) != std::end(own_handles) &&
           is_own_program(name);
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
                           const std::string &name, std::uint32_t classid)
{
    if (auto clsact = ensure_clsact(netlink, ifindex); !clsact)
        return clsact;
    auto info = program_info(program_fd);
    if (!info)
        return std::unexpected(info.error());
    const Attached wanted = {program_fd, info->id, name, classid};

    // The plugin and the daemon may do this at the same time: whoever is second finds the
    // other's filter and looks again.
    auto attached = try_attach(netlink, ifindex, hook, wanted);
    if (attached && *attached == -NLE_EXIST)
        attached = try_attach(netlink, ifindex, hook, wanted);
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
    for (const Filter &filter : *filters)
        if (filter.ours())
            if (auto deleted = delete_filter(netlink, ifindex, hook, filter); !deleted)
                return deleted;
    return {};
}

} // namespace podrtt
