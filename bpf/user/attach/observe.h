// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What is attached to an interface, read once, before anything is decided.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/netlink.h"

namespace podrtt::attach
{

// As the interface sees it: what comes in, and what goes out.
enum class Hook { ingress, egress };

inline constexpr Hook hooks[] = {Hook::ingress, Hook::egress};

// "ingress of interface 7"
std::string describe(int ifindex, Hook hook);

// A tc filter.
struct Filter {
    std::uint32_t handle = 0;
    std::uint16_t priority = 0;
    std::uint16_t protocol = 0;   // EtherType, host byte order; ETH_P_ALL
    std::string kind;             // "bpf", "u32", …
    std::string name;             // of a bpf filter
    std::uint32_t program_id = 0; // of a bpf filter
    std::uint32_t classid = 0;    // of a bpf filter; 0: none

    bool ours() const; // podrtt's: by handle and name
};

// A program on TCX (Linux 6.6).
struct TcxProgram {
    std::uint32_t id = 0;
    std::string name;

    bool ours() const;
};

// Both lists in the order in which the kernel runs them, TCX before the filters.
struct HookView {
    std::vector<TcxProgram> tcx;
    std::vector<Filter> filters;
};

struct InterfaceView {
    int ifindex = 0;
    std::string name; // empty: there is no such interface
    bool veth = false;
    int peer_ifindex = 0;  // of a veth
    int peer_netnsid = -1; // the same: how this namespace numbers the peer's; -1: the same namespace
    std::string qdisc;     // the kind of the qdisc in clsact's place; empty: none
    bool has_tcx = false;  // the kernel has TCX
    std::array<HookView, 2> by_hook; // indexed by Hook

    bool exists() const { return !name.empty(); }
    const HookView &at(Hook hook) const { return by_hook[static_cast<std::size_t>(hook)]; }
    HookView &at(Hook hook) { return by_hook[static_cast<std::size_t>(hook)]; }

    bool uses_tcx() const;        // anybody's programs are on TCX
    bool has_own() const;         // programs of podrtt are on both hooks
    bool has_own_filters() const; // the same, by filters
};

// An interface that is gone is a view of nothing.
Result<InterfaceView> observe(Netlink &netlink, int ifindex);

} // namespace podrtt::attach
