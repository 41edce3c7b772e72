// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <bpf/bpf.h>

#include <cerrno>
#include <string_view>

#include "bpf/user/error.h"

namespace podrtt
{

// What the kernel says of a loaded program.
inline Result<bpf_prog_info> program_info(int program_fd)
{
    bpf_prog_info info = {};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(program_fd, &info, &length) != 0)
        return failure("inspect", "program", errno);
    return info;
}

// By the name of a program, or of the filter that runs it.
inline bool is_own_program(std::string_view name)
{
    return name.starts_with("podrtt_");
}

} // namespace podrtt
