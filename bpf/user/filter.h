// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// podrtt's tc filters: a clsact qdisc and one cls_bpf filter in direct-action mode for
// each direction. Rules, each learned from an outage of somebody's:
//   - the clsact qdisc may be another's: it is created if absent and never deleted;
//   - another's filter is neither replaced nor deleted: ours is known by handle and name;
//   - ours is replaced in place, so that no packet passes unseen during an upgrade;
//   - ours runs before all others, because a program that ends the chain hides the packet
//     from all that follow. If another gets in front, ours is put there anew, and only
//     then is the old one removed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "error.h"
#include "netlink.h"

namespace podrtt
{

// As the host veth sees it: what the pod sends comes in, what it receives goes out.
enum class Hook { ingress, egress };

struct Filter {
    std::uint32_t handle;
    std::uint16_t priority;
    std::string kind;         // "bpf", "u32", …
    std::string name;         // of a bpf filter
    std::uint32_t program_id; // of a bpf filter
    std::uint32_t classid;    // of a bpf filter; 0: none
    bool ours() const;
};

// Filters in the order in which the kernel runs them. Without a clsact qdisc: none.
Result<std::vector<Filter>> list_filters(Netlink &netlink, int ifindex, Hook hook);

// Attaches the program, or replaces our filter in its place. Nothing happens if the
// program is attached already, before all others. The program finds `classid` in
// skb->tc_classid; 0: none. The error's code is EBUSY if what others have attached leaves
// no room.
Result<void> attach_filter(Netlink &netlink, int ifindex, Hook hook, int program_fd,
                           const std::string &name, std::uint32_t classid = 0);

// Removes our filters, if there are any.
Result<void> detach_filter(Netlink &netlink, int ifindex, Hook hook);

} // namespace podrtt
