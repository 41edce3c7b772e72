// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/attach/clsact.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <netlink/cache.h>
#include <netlink/errno.h>
#include <netlink/route/qdisc.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

namespace podrtt::attach
{
namespace
{

using Cache = Handle<nl_cache, nl_cache_free>;
using Qdisc = Handle<rtnl_qdisc, rtnl_qdisc_put>;

std::uint32_t parent(Hook hook)
{
    return TC_H_MAKE(TC_H_CLSACT, hook == Hook::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
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

std::optional<Filter> parse_filter(nlmsghdr *answer)
{
    nlattr *attributes[TCA_MAX + 1];
    if (nlmsg_parse(answer, sizeof(tcmsg), attributes, TCA_MAX, nullptr) < 0 || !attributes[TCA_KIND])
        return std::nullopt;

    const auto *header = static_cast<const tcmsg *>(nlmsg_data(answer));
    if (header->tcm_handle == 0) // the priority's head, which precedes its filters
        return std::nullopt;
    Filter filter;
    filter.handle = header->tcm_handle;
    filter.priority = static_cast<std::uint16_t>(TC_H_MAJ(header->tcm_info) >> 16);
    filter.protocol = ntohs(static_cast<std::uint16_t>(TC_H_MIN(header->tcm_info)));
    filter.kind = nla_get_string(attributes[TCA_KIND]);
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

} // namespace

// By a dump of all interfaces' qdiscs: a request for one is answered to all who listen for changes
// (before Linux 6.13), the daemon among them.
Result<std::string> qdisc_at_clsact(Netlink &netlink, int ifindex)
{
    nl_cache *read = nullptr;
    if (const int error = rtnl_qdisc_alloc_cache(netlink.socket(), &read); error != 0)
        return netlink_failure("list qdiscs of interface", std::to_string(ifindex), error);
    const Cache cache(read);
    const Qdisc qdisc(rtnl_qdisc_get_by_parent(cache.get(), ifindex, TC_H_CLSACT));
    return qdisc ? rtnl_tc_get_kind(TC_CAST(qdisc.get())) : "";
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

Result<void> Additions::add_clsact()
{
    const Qdisc qdisc(rtnl_qdisc_alloc());
    nl_msg *message = nullptr;
    if (qdisc) {
        rtnl_tc_set_ifindex(TC_CAST(qdisc.get()), ifindex_);
        rtnl_tc_set_parent(TC_CAST(qdisc.get()), TC_H_CLSACT);
        rtnl_tc_set_handle(TC_CAST(qdisc.get()), TC_H_MAKE(TC_H_CLSACT, 0));
        rtnl_tc_set_kind(TC_CAST(qdisc.get()), "clsact");
    }
    if (!qdisc || rtnl_qdisc_build_add_request(qdisc.get(), NLM_F_CREATE | NLM_F_EXCL, &message) != 0)
        return failure("create clsact qdisc on interface", std::to_string(ifindex_), ENOMEM);
    messages_.emplace_back(message);
    operations_.emplace_back("create clsact qdisc on");
    return {};
}

Result<void> Additions::put_filter(Hook hook, const NewFilter &filter, bool replace)
{
    auto message = tc_message(RTM_NEWTFILTER, NLM_F_CREATE | (replace ? NLM_F_REPLACE : NLM_F_EXCL),
                              filter_header(ifindex_, hook, filter.priority, filter.handle));
    nlattr *options = nullptr;
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0 ||
        !(options = nla_nest_start(message.get(), TCA_OPTIONS)) ||
        nla_put_u32(message.get(), TCA_BPF_FD, static_cast<std::uint32_t>(filter.program_fd)) != 0 ||
        nla_put_string(message.get(), TCA_BPF_NAME, filter.name.c_str()) != 0 ||
        nla_put_u32(message.get(), TCA_BPF_CLASSID, filter.classid) != 0 ||
        nla_put_u32(message.get(), TCA_BPF_FLAGS, TCA_BPF_FLAG_ACT_DIRECT) != 0)
        return failure("attach filter to", describe(ifindex_, hook), ENOMEM);
    nla_nest_end(message.get(), options);
    messages_.push_back(std::move(message));
    operations_.push_back(hook == Hook::ingress ? "attach filter to ingress of"
                                                : "attach filter to egress of");
    return {};
}

Result<void> Additions::send()
{
    if (messages_.empty())
        return {};
    const std::vector<int> codes = netlink_.request_all(std::exchange(messages_, {}));
    const std::vector<std::string> operations = std::exchange(operations_, {});
    const auto error = std::ranges::find_if(codes, [](int code) { return code < 0; });
    if (error == codes.end())
        return {};
    return netlink_failure(operations[static_cast<std::size_t>(error - codes.begin())],
                           "interface " + std::to_string(ifindex_), *error);
}

Result<void> delete_filter(Netlink &netlink, int ifindex, Hook hook, std::uint16_t priority,
                           std::uint32_t handle)
{
    auto message = tc_message(RTM_DELTFILTER, 0, filter_header(ifindex, hook, priority, handle));
    if (!message || nla_put_string(message.get(), TCA_KIND, "bpf") != 0)
        return failure("detach filter from", describe(ifindex, hook), ENOMEM);
    const int error = netlink.request(message.get());
    if (error != 0 && error != -NLE_OBJ_NOTFOUND)
        return netlink_failure("detach filter from", describe(ifindex, hook), error);
    return {};
}

} // namespace podrtt::attach
