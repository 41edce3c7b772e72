// SPDX-License-Identifier: Apache-2.0
#include "adoption.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <utility>

#include "cni_cache.h"
#include "identity.h"
#include "netlink.h"
#include "netns.h"
#include "veth.h"

namespace podrtt
{
namespace
{

// The interface by which the kernel would send to an address.
Result<int> find_route(Netlink &netlink, const std::string &address)
{
    std::array<unsigned char, 16> binary;
    const bool v6 = address.contains(':');
    if (inet_pton(v6 ? AF_INET6 : AF_INET, address.c_str(), binary.data()) != 1)
        return failure("find the route to", address, "it is no address");
    const int length = v6 ? 16 : 4;

    NetlinkMessage message(nlmsg_alloc_simple(RTM_GETROUTE, NLM_F_REQUEST));
    rtmsg header = {};
    header.rtm_family = static_cast<unsigned char>(v6 ? AF_INET6 : AF_INET);
    header.rtm_dst_len = static_cast<unsigned char>(length * 8);
    if (!message || nlmsg_append(message.get(), &header, sizeof(header), NLMSG_ALIGNTO) != 0 ||
        nla_put(message.get(), RTA_DST, length, binary.data()) != 0)
        return failure("find the route to", address, ENOMEM);
    int interface = 0;
    int error = netlink.query(message.get(), [&interface](nlmsghdr *answer) {
        if (nlattr *attribute = nlmsg_find_attr(answer, sizeof(rtmsg), RTA_OIF))
            interface = static_cast<int>(nla_get_u32(attribute));
    });
    if (error < 0)
        return netlink_failure("find the route to", address, error);
    if (!interface)
        return failure("find the route to", address, "there is none");
    return interface;
}

Result<HostVeth> find_by_route(const CachedInterface &cached, const podrtt_pod &pod)
{
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    const std::string expected = azure_veth_name(pod.name_space, pod.name);
    for (const auto &address : cached.addresses) {
        auto interface = find_route(*netlink, address);
        auto link = interface ? netlink->link(*interface) : std::unexpected(interface.error());
        if (link && rtnl_link_get_name(link->get()) == expected && is_veth(link->get()))
            return HostVeth{*interface, expected};
    }
    return failure("find the host veth of", pod.container_id, "no address of it is routed to " + expected);
}

Result<HostVeth> find_veth(const CachedInterface &cached, const podrtt_pod &pod)
{
    if (cached.netns.empty())
        return find_by_route(cached, pod);
    auto netns = Netns::open(cached.netns);
    if (!netns)
        return std::unexpected(netns.error());
    return find_host_veth(*netns, cached.ifname);
}

template <std::size_t size>
void copy_name(char (&field)[size], const std::string &name)
{
    if (name.size() < size)
        name.copy(field, size - 1);
}

Result<void> adopt(Maps &maps, const CachedInterface &cached, std::set<std::uint32_t> &interfaces,
                   Repairs &repairs, spdlog::logger &log)
{
    auto pod = parse_identity(cached.args, cached.container_id, cached.ifname);
    if (!pod)
        return std::unexpected(pod.error());
    auto veth = find_veth(cached, *pod);
    if (!veth)
        return std::unexpected(veth.error());
    const auto id = static_cast<std::uint32_t>(veth->ifindex);
    if (!interfaces.insert(id).second)
        return failure("adopt", cached.container_id, veth->name + " is another pod's");

    copy_name(pod->host_ifname, veth->name);
    copy_name(pod->netns, cached.netns);
    copy_name(pod->network, cached.network);
    pod->host_ifindex = id;
    pod->created = cached.written;
    // Never over an identity that a plugin has written meanwhile.
    if (auto written = maps.pods.update(id, *pod, BPF_NOEXIST); !written)
        return written;
    repairs.count(Repair::adopted);
    log.info("{}/{}: adopted, found in the CNI cache on {}", pod->name_space, pod->name, veth->name);
    return {};
}

} // namespace

std::string azure_veth_name(const std::string &name_space, const std::string &pod)
{
    const std::string name = name_space + "." + pod;
    std::array<unsigned char, 20> digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA1, name.data(), name.size(), digest.data()) != 0)
        return "";
    std::string text = "azv";
    for (std::size_t digit = 0; digit < 11; digit++) {
        const unsigned char byte = digest[digit / 2];
        text += "0123456789abcdef"[digit % 2 ? byte & 15 : byte >> 4];
    }
    return text;
}

void adopt_pods(Maps &maps, const std::filesystem::path &directory, Repairs &repairs, spdlog::logger &log)
{
    const auto cache = read_cni_cache(directory);
    auto pods = maps.pods.entries();
    if (!pods) {
        log.error("{}", pods.error().message());
        return;
    }
    std::set<std::pair<std::string, std::string>> known;
    std::set<std::uint32_t> interfaces;
    for (const auto &[id, pod] : *pods) {
        known.insert({pod.container_id, pod.ifname});
        interfaces.insert(pod.host_ifindex);
    }
    for (const auto &cached : cache)
        if (!known.contains({cached.container_id, cached.ifname}))
            if (auto adopted = adopt(maps, cached, interfaces, repairs, log); !adopted)
                log.debug("{}: not adopted: {}", cached.container_id, adopted.error().message());
}

} // namespace podrtt
