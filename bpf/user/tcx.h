// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// podrtt's programs on TCX (Linux 6.6), which runs before all filters of clsact: a program
// there that ends the chain hides the packet from them. The same rules as in filter.h:
// others' programs are left alone, and ours is the first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "error.h"
#include "filter.h"

namespace podrtt
{

struct TcxProgram {
    std::uint32_t id;
    std::string name;
    bool ours() const;
};

// Programs in the order in which the kernel runs them; none where there is no TCX.
Result<std::vector<TcxProgram>> list_tcx(int ifindex, Hook hook);

// Puts the program before all others, or replaces ours in its place if that is the first.
// The kernel waits for a grace period of RCU while it holds the RTNL lock: milliseconds.
Result<void> attach_tcx(int ifindex, Hook hook, int program_fd);

// Removes our programs, if there are any.
Result<void> detach_tcx(int ifindex, Hook hook);

} // namespace podrtt
