// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "pins.h"

#include <bpf/bpf.h>

namespace podrtt
{

Result<Fd> Pins::program(std::string_view name) const
{
    Fd fd(bpf_obj_get(path(name).c_str()));
    if (!fd)
        return failure("open pinned program", path(name), errno);
    return fd;
}

} // namespace podrtt
