// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Attaches the pinned programs to pods: observe, plan, apply.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "bpf/podrtt.h"
#include "bpf/user/attach/observe.h"
#include "bpf/user/attach/plan.h"
#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/map.h"
#include "bpf/user/netlink.h"
#include "bpf/user/owner.h"
#include "bpf/user/pins.h"

namespace podrtt::attach
{

// Holds the pinned programs, and a netlink socket in the network namespace that the calling thread
// was in when it was opened: the node's. Not thread-safe.
class Attacher
{
public:
    static Result<Attacher> open(const Pins &pins);

    Result<InterfaceView> observe(int ifindex) { return attach::observe(netlink_, ifindex); }

    // The pod that a filter of these maps, or TCX, names on the interface. Such a filter cannot
    // outlive the interface, so this is certain.
    std::optional<std::uint32_t> pod_on(const InterfaceView &view) const;

    // Whether the interface is that of the pod with this id: its host veth, and not another one that has
    // got the same ifindex. By what is attached, if anything is; else by what the veth leads to.
    bool is_same_interface(const InterfaceView &view, std::uint32_t id, const podrtt_pod &pod);

    // Attaches to the host veth, or replaces older programs. `form` is not PODRTT_ATTACH_POD. Returns
    // the form taken; that of another time is removed. EADDRINUSE if another podrttd measures the
    // interface.
    Result<podrtt_attach> attach(const InterfaceView &view, std::uint32_t id, podrtt_attach form);

    // EADDRINUSE if what is attached is another podrttd's, which runs.
    Result<void> leave_to_another(const InterfaceView &view) const;

    // Whether attach() would find nothing to do.
    bool is_in_place(const InterfaceView &view, std::uint32_t id, podrtt_attach form) const;

    // Attaches to the interface inside the pod, or replaces older programs. Refuses an interface whose peer
    // is not the pod's host veth: the path of the network namespace may mean another one by now.
    Result<void> attach_inside(std::uint32_t id, const podrtt_pod &pod);

    // Attaches to an interface of this network namespace as if it were that of a pod from inside: what
    // leaves it is the pod's own.
    Result<void> attach_reversed(const InterfaceView &view, std::uint32_t id);

    // Whether programs of podrtt are on both directions, on the host veth or inside, as the record says. An
    // error of code EADDRINUSE if they are those of another podrttd, which runs.
    Result<bool> is_attached(const podrtt_pod &pod);

    // What TCX's programs know of a pod that is gone.
    Result<void> forget_interface(std::uint32_t id, const podrtt_pod &pod);

    Netlink &netlink() { return netlink_; }

private:
    struct Program {
        std::string name;
        Fd fd;
        std::uint32_t id;
    };
    using ByHook = std::array<Program, 2>;
    using TcxPods = Map<std::uint32_t, std::uint32_t>; // ids by ifindex

    Attacher(Netlink netlink, ByHook filters, ByHook tcx, TcxPods tcx_pods, std::uint32_t owner,
             Owners owners)
        : netlink_(std::move(netlink)), filters_(std::move(filters)), tcx_(std::move(tcx)),
          tcx_pods_(std::move(tcx_pods)), owner_(owner), owners_(std::move(owners))
    {
    }

    static Result<ByHook> open_programs(const Pins &pins, const char *from_pod, const char *to_pod);
    std::uint32_t classid(std::uint32_t id) const { return owner_ << 16 | id; }
    Wanted wanted(std::uint32_t id, podrtt_attach form) const;
    bool is_tcx_of_another(const TcxProgram &program) const;
    Result<bool> has_own_of_ours(const InterfaceView &view) const;
    // Inside a pod the directions are the other way round.
    Result<void> apply(Netlink &netlink, const InterfaceView &view, const Plan &plan, std::uint32_t id);
    Result<podrtt_attach> attach_to(Netlink &netlink, InterfaceView view, std::uint32_t id,
                                    podrtt_attach form);

    Netlink netlink_;
    ByHook filters_; // as on the host veth
    ByHook tcx_;
    TcxPods tcx_pods_;
    std::uint32_t owner_; // PODRTT_SETTING_OWNER
    Owners owners_;
};

// Takes podrtt's programs off an interface, whatever maps they use.
Result<void> detach(Netlink &netlink, int ifindex);

// The same inside a pod.
Result<void> detach_inside(const podrtt_pod &pod);

} // namespace podrtt::attach
