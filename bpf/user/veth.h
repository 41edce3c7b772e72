// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/netlink.h"
#include "bpf/user/netns.h"

namespace podrtt
{

bool is_veth(rtnl_link *link);

// How the network namespace of `netlink` numbers another one; -1 if it does not know it. Needs no
// capability but to open the other.
int netnsid_of(Netlink &netlink, const Netns &netns);

// The end of a pod's veth pair in the node's network namespace, and what is known of the other.
struct HostVeth {
    int ifindex;
    std::string name;
    int pod_ifindex;
    std::uint64_t netns_cookie; // of the pod's network namespace; 0: not known
};

// Finds the host veth from the pod's side: the kernel knows a veth's peer, while the
// results of CNI plugins list it at different places or, as Azure's, not at all.
// The calling thread must be in the node's network namespace. An interface that is not a veth
// is an error of code EOPNOTSUPP.
Result<HostVeth> find_host_veth(const Netns &pod, const std::string &ifname);

} // namespace podrtt
