// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What is on an interface, and what should be: the steps between the two. A pure function.
//
// The rules, each learned from somebody's outage:
//   - the clsact qdisc may be another's: it is created if absent and never deleted;
//   - another's filter or program is neither replaced nor deleted; ours is known by handle and name;
//   - ours is replaced in place, so that no packet passes unseen during an upgrade;
//   - ours runs before all others, because a program that ends the chain hides the packet from all
//     that follow. If another gets in front, ours is put there again, and only then is the old one
//     removed;
//   - a form is removed only when the other is in place. A packet that both see looks like a
//     retransmission, and yields no sample.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "bpf/podrtt.h"
#include "bpf/user/attach/observe.h"
#include "bpf/user/error.h"

namespace podrtt::attach
{

// What should be on an interface. Program ids are the kernel's, indexed by Hook.
struct Wanted {
    // AUTO: TCX where anybody is on TCX already, else clsact; and TCX where clsact has no room.
    // POD: clsact, without a look at TCX.
    podrtt_attach form = PODRTT_ATTACH_AUTO;
    std::uint32_t classid = 0;
    std::array<std::uint32_t, 2> filter_programs = {};
    std::array<std::uint32_t, 2> tcx_programs = {};
};

struct Step {
    enum class Action {
        add_clsact,
        add_filter,
        replace_filter,
        delete_filter,
        put_tcx,
        replace_tcx,
        delete_tcx
    };

    Action action;
    Hook hook = Hook::ingress;
    std::uint16_t priority = 0;   // of a filter
    std::uint32_t handle = 0;     // of a filter
    std::uint32_t program_id = 0; // of the TCX program that is replaced or deleted

    bool operator==(const Step &) const = default;
};

struct Plan {
    podrtt_attach form = PODRTT_ATTACH_CLSACT; // AUTO is decided
    std::vector<Step> steps;                   // none: all is as it should be
};

// An error of code EBUSY if what others have attached leaves no room.
Result<Plan> plan(const InterfaceView &view, const Wanted &wanted);

// Removes all that is podrtt's.
Plan plan_removal(const InterfaceView &view);

} // namespace podrtt::attach
