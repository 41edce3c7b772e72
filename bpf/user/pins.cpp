// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/pins.h"

#include <bpf/bpf.h>

#include <atomic>

#include "bpf/user/mapped_array.h"

namespace podrtt
{

Result<Fd> Pins::program(std::string_view name) const
{
    Fd fd(bpf_obj_get(path(name).c_str()));
    if (!fd)
        return failure("open pinned program", path(name), errno);
    return fd;
}

Result<void> Pins::count(podrtt_drop drop, std::uint64_t times) const
{
    auto drops = MappedArray<std::uint64_t>::open(path(PODRTT_MAP_DROPS));
    if (!drops)
        return std::unexpected(drops.error());
    std::atomic_ref(drops->values()[drop]) += times;
    return {};
}

} // namespace podrtt
