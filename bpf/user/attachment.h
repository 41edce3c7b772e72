// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include "error.h"
#include "netlink.h"
#include "pins.h"

namespace podrtt
{

// Attaches the pinned programs to both directions of a host veth; replaces older ones.
Result<void> attach(Netlink &netlink, const Pins &pins, int host_ifindex);

// Takes podrtt's filters off a host veth.
Result<void> detach(Netlink &netlink, int host_ifindex);

} // namespace podrtt
