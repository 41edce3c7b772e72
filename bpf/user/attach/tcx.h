// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// TCX (Linux 6.6), which runs before all filters of clsact: reading and changing, one thing at a
// time. The kernel waits for a grace period of RCU while it holds the RTNL lock: milliseconds
// for each change.
#pragma once

#include <cstdint>
#include <vector>

#include "bpf/user/attach/observe.h"
#include "bpf/user/error.h"

namespace podrtt::attach
{

struct TcxList {
    bool supported = false; // by the kernel
    std::vector<TcxProgram> programs;
};

// Programs in the order in which the kernel runs them. Needs CAP_SYS_ADMIN if there are any.
Result<TcxList> list_tcx(int ifindex, Hook hook);

// Whether anybody's programs are on an interface. Cheap; false on kernels without TCX.
bool is_tcx_used(int ifindex);

// Puts a program before all others. The error's code is EEXIST if it is there already.
Result<void> put_tcx_first(int ifindex, Hook hook, int program_fd);

// Puts a program in the place of another.
Result<void> replace_tcx(int ifindex, Hook hook, int program_fd, std::uint32_t replaced);

// A program that is gone already is not an error.
Result<void> delete_tcx(int ifindex, Hook hook, std::uint32_t id);

} // namespace podrtt::attach
