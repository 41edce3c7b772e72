// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Who the filters of other maps belong to: a daemon with other pins that runs, to which its interfaces
// are left, or nobody any more. Its number (PODRTT_SETTING_OWNER) stands in their classid, and a
// socket of that name is bound for as long as the daemon lives. The names are those of a network namespace:
// the node's.
#pragma once

#include <cstdint>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// To be held by the daemon. EADDRINUSE if another one has drawn the same number, or is the same.
Result<Fd> announce_owner(std::uint32_t owner);

class Owners
{
public:
    // Looks in the network namespace that the calling thread is in now.
    static Result<Owners> open();

    bool is_alive(std::uint32_t owner) const;

private:
    explicit Owners(Fd socket) : socket_(std::move(socket)) {}

    Fd socket_;
};

// The number that a program's maps hold, which must be podrtt's; 0 if that cannot be found out, which
// takes CAP_SYS_ADMIN.
std::uint32_t owner_of_program(std::uint32_t program_id);

} // namespace podrtt
