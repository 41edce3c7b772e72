// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "pins.h"

#include <bpf/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>

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
    auto map = Map<std::uint32_t, std::uint64_t>::open(path(PODRTT_MAP_DROPS));
    if (!map)
        return std::unexpected(map.error());
    const auto size = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    void *memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, map->fd(), 0);
    if (memory == MAP_FAILED)
        return failure("map into memory", path(PODRTT_MAP_DROPS), errno);
    std::atomic_ref(static_cast<std::uint64_t *>(memory)[drop]) += times;
    munmap(memory, size);
    return {};
}

} // namespace podrtt
