// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/adoption.h"

#include <netlink/addr.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>

#include <algorithm>

#include "bpf/user/netns.h"
#include "bpf/user/veth.h"
#include "node-daemon/pods/azure.h"
#include "node-daemon/pods/cni_cache.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::seconds interval{30};
constexpr std::chrono::seconds short_interval{1};
constexpr std::chrono::seconds chain_time{30}; // a chain of plugins takes no longer, or nearly never

using Address = Handle<nl_addr, nl_addr_put>;
using Route = Handle<rtnl_route, rtnl_route_put>;
using Records = std::vector<std::pair<std::uint32_t, podrtt_pod>>;

// The interface by which the kernel would send to an address.
Result<int> find_route(Netlink &netlink, const std::string &text)
{
    nl_addr *parsed = nullptr;
    if (const int error = nl_addr_parse(text.c_str(), AF_UNSPEC, &parsed))
        return netlink_failure("find the route to", text, error);
    const Address address(parsed);
    rtnl_route *found = nullptr;
    if (const int error = rtnl_route_lookup(netlink.socket(), address.get(), &found))
        return netlink_failure("find the route to", text, error);
    const Route route(found);
    rtnl_nexthop *hop = rtnl_route_nexthop_n(route.get(), 0);
    if (!hop)
        return failure("find the route to", text, "there is none");
    return rtnl_route_nh_get_ifindex(hop);
}

Result<HostVeth> find_by_route(Netlink &netlink, const CachedInterface &cached, const podrtt_pod &pod)
{
    const std::string expected = azure_veth_name(pod.name_space, pod.name);
    for (const auto &address : cached.addresses) {
        auto interface = find_route(netlink, address);
        auto link = interface ? netlink.link(*interface) : std::unexpected(interface.error());
        if (link && rtnl_link_get_name(link->get()) == expected && is_veth(link->get()))
            return HostVeth{*interface, expected, rtnl_link_get_link(link->get()), 0};
    }
    return failure("find the host veth of", pod.container_id, "no address of it is routed to " + expected);
}

Result<HostVeth> find_veth(Netlink &netlink, const CachedInterface &cached, const podrtt_pod &pod)
{
    if (cached.netns.empty())
        return find_by_route(netlink, cached, pod);
    auto netns = Netns::open(cached.netns);
    if (!netns)
        return std::unexpected(netns.error());
    return find_host_veth(*netns, cached.ifname);
}

// Whether the interface is that of a pod with a record. Cache files outlive their pods, and a network
// namespace's path may mean another pod's by now.
Result<bool> is_taken(attach::Attacher &attacher, const Records &records, int ifindex)
{
    auto view = attacher.observe(ifindex);
    if (!view)
        return std::unexpected(view.error());
    return std::ranges::any_of(records, [&](const auto &record) {
        return attacher.is_same_interface(*view, record.first, record.second);
    });
}

Result<void> adopt(Maps &maps, attach::Attacher &attacher, const CachedInterface &cached, Records &records,
                   spdlog::logger &log)
{
    auto pod = make_pod({cached.args, cached.container_id, cached.ifname, cached.netns, cached.network},
                        cached.written);
    if (!pod)
        return std::unexpected(pod.error());
    auto veth = find_veth(attacher.netlink(), cached, *pod);
    if (!veth)
        return std::unexpected(veth.error());
    auto taken = is_taken(attacher, records, veth->ifindex);
    if (!taken)
        return std::unexpected(taken.error());
    if (*taken)
        return failure("adopt", cached.container_id, veth->name + " is another pod's");

    set_interface(*pod, *veth);
    auto id = record_pod(maps.pods, maps.settings, *pod);
    if (!id)
        return std::unexpected(id.error());
    records.emplace_back(*id, *pod);
    log.info("{}: adopted, found in the CNI cache on {}", describe(*pod), veth->name);
    return {};
}

} // namespace

bool AdoptionSchedule::is_due(std::uint64_t missed, Clock::time_point now)
{
    if (missed != missed_) {
        missed_ = missed;
        often_until_ = now + chain_time;
    }
    if (last_ && now - *last_ < (now < often_until_ ? short_interval : interval))
        return false;
    last_ = now;
    return true;
}

void adopt_pods(Maps &maps, attach::Attacher &attacher, const std::filesystem::path &directory,
                Repairs &repairs, spdlog::logger &log)
{
    const auto cache = read_cni_cache(directory);
    auto records = maps.pods.entries();
    if (!records) {
        log.error("{}", records.error().message());
        return;
    }
    for (const auto &cached : cache) {
        const bool known = std::ranges::any_of(*records, [&cached](const auto &record) {
            return has_interface(record.second) &&
                   is_same_sandbox(record.second, cached.container_id, cached.ifname);
        });
        if (known)
            continue;
        if (auto adopted = adopt(maps, attacher, cached, *records, log); adopted)
            repairs.count(Repair::adopted);
        else
            log.debug("{}: not adopted: {}", cached.container_id, adopted.error().message());
    }
}

} // namespace podrtt
