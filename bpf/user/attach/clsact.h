// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The clsact qdisc and cls_bpf filters in direct-action mode: reading and changing, one thing
// at a time. What to change is decided in plan.h.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bpf/user/attach/observe.h"
#include "bpf/user/error.h"
#include "bpf/user/netlink.h"

namespace podrtt::attach
{

// "podr" and the next: not 1, which Cilium and others take for theirs. Two, so that a
// filter can be put before another of the same priority.
inline constexpr std::uint32_t own_handles[] = {0x706f6472, 0x706f6473};

// The kind of the qdisc in clsact's place: "clsact", "ingress", or empty.
Result<std::string> qdisc_at_clsact(Netlink &netlink, int ifindex);

// Filters in the order in which the kernel runs them.
Result<std::vector<Filter>> list_filters(Netlink &netlink, int ifindex, Hook hook);

// Where a filter is, and what it runs.
struct NewFilter {
    std::uint16_t priority;
    std::uint32_t handle;
    int program_fd;
    std::string name;
    std::uint32_t classid;
};

// What is to be put on an interface, all at once: for each thing the kernel takes the RTNL lock, for which
// whoever sends one at a time waits again, behind all others that configure the network.
class Additions
{
public:
    Additions(Netlink &netlink, int ifindex) : netlink_(netlink), ifindex_(ifindex) {}

    Result<void> add_clsact();
    // With `replace` in the place of the filter with that handle.
    Result<void> put_filter(Hook hook, const NewFilter &filter, bool replace);

    // Tries all, and forgets them. The first error, if there are; its code is EEXIST if something is there
    // that was not to be replaced.
    Result<void> send();

private:
    Netlink &netlink_;
    int ifindex_;
    std::vector<NetlinkMessage> messages_;
    std::vector<std::string> operations_; // of each message, for errors
};

// A filter that is gone already is not an error.
Result<void> delete_filter(Netlink &netlink, int ifindex, Hook hook, std::uint16_t priority,
                           std::uint32_t handle);

} // namespace podrtt::attach
