// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string>

#include "error.h"
#include "netlink.h"
#include "netns.h"

namespace podrtt
{

bool is_veth(rtnl_link *link);

// The end of a pod's veth pair in the node's network namespace.
struct HostVeth {
    int ifindex;
    std::string name;
};

// Finds the host veth from the pod's side: the kernel knows a veth's peer, while the
// results of CNI plugins list it at different places or, as Azure's, not at all.
// The calling thread must be in the node's network namespace. An interface that is no veth
// is an error of code EOPNOTSUPP.
Result<HostVeth> find_host_veth(const Netns &pod, const std::string &ifname);

} // namespace podrtt
