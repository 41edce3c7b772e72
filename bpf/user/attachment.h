// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How the programs get to a pod, in one of the forms of enum podrtt_attach.
#pragma once

#include <cstdint>

#include "error.h"
#include "netlink.h"
#include "pins.h"

namespace podrtt
{

// Attaches the pinned programs to both directions of a host veth, or replaces older ones.
// `wanted` is not PODRTT_ATTACH_POD. PODRTT_ATTACH_AUTO means TCX where others are on TCX
// already, or podrtt is, else clsact; where that is not to be had, TCX. Returns the form
// taken; that of another time is removed.
Result<podrtt_attach> attach(Netlink &netlink, const Pins &pins, int host_ifindex,
                             podrtt_attach wanted = PODRTT_ATTACH_AUTO);

// Takes podrtt's programs off a host veth.
Result<void> detach(Netlink &netlink, int host_ifindex);

// Attaches the pinned programs to the interface inside the pod. `id` has PODRTT_ID_IN_POD.
// Refuses an interface whose peer is not the pod's host veth: the path of the network
// namespace may mean another one by now. What is not attached whole is removed.
Result<void> attach_in_pod(const Pins &pins, std::uint32_t id, const podrtt_pod &pod);

// Takes podrtt's programs off the interface inside the pod.
Result<void> detach_in_pod(const podrtt_pod &pod);

// Writes the identity of a pod whose programs are to be inside it, and returns its id; the
// same if it is there already.
Result<std::uint32_t> add_in_pod(Map<std::uint32_t, podrtt_pod> &pods, const podrtt_pod &pod);

// Whether anybody's TCX programs are on an interface. Cheap; false on kernels without TCX.
Result<bool> is_tcx_used(int ifindex);

// Whether programs of podrtt are on both directions of where the pod's id says.
Result<bool> is_attached(std::uint32_t id, const podrtt_pod &pod);

} // namespace podrtt
