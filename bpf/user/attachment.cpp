// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "attachment.h"

#include "filter.h"

namespace podrtt
{
namespace
{

struct Program {
    const char *name;
    Hook hook;
};

constexpr Program programs[] = {
    {PODRTT_PROGRAM_FROM_POD, Hook::ingress},
    {PODRTT_PROGRAM_TO_POD, Hook::egress},
};

} // namespace

Result<void> attach(Netlink &netlink, const Pins &pins, int host_ifindex)
{
    for (const auto &[name, hook] : programs) {
        auto program = pins.program(name);
        if (!program)
            return std::unexpected(program.error());
        if (auto attached = attach_filter(netlink, host_ifindex, hook, program->get(), name); !attached)
            return attached;
    }
    return {};
}

Result<void> detach(Netlink &netlink, int host_ifindex)
{
    for (const auto &[name, hook] : programs)
        if (auto detached = detach_filter(netlink, host_ifindex, hook); !detached)
            return detached;
    return {};
}

} // namespace podrtt
