// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>

#include "bpf/podrtt.h"

namespace podrtt
{

// Why a pod is not measured.
enum class AttachProblem {
    none,
    failed,        // the programs could not be attached
    one_direction, // packets of one direction pass by unseen
    contended,     // somebody else keeps undoing the attachment
};

// How a pod is attached, and whether it is measured so.
struct AttachState {
    podrtt_attach form = PODRTT_ATTACH_AUTO; // AUTO: not attached
    AttachProblem problem = AttachProblem::none;

    bool measured() const { return problem == AttachProblem::none; }
    const char *reason() const; // "clsact", "tcx", "pod"; or "failed", "one_direction", "contended"

    bool operator==(const AttachState &) const = default;
};

// The state of each pod that lives, by pod id. Written by the reconciler, read at scrapes.
class AttachStates
{
public:
    using ById = std::map<std::uint32_t, AttachState>;

    void set(ById states)
    {
        const std::lock_guard lock(mutex_);
        by_id_ = std::move(states);
    }

    ById all() const
    {
        const std::lock_guard lock(mutex_);
        return by_id_;
    }

private:
    mutable std::mutex mutex_;
    ById by_id_;
};

} // namespace podrtt
