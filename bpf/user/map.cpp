// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/map.h"

namespace podrtt
{

Result<Fd> open_map(const std::string &path, std::uint32_t key_size, std::uint32_t value_size)
{
    Fd fd(bpf_obj_get(path.c_str()));
    if (!fd)
        return failure("open pinned map", path, errno);

    bpf_map_info info = {};
    std::uint32_t length = sizeof(info);
    if (bpf_obj_get_info_by_fd(fd.get(), &info, &length) != 0)
        return failure("inspect map", path, errno);
    if (info.key_size != key_size || info.value_size != value_size)
        return failure("open pinned map", path,
                       "keys and values of " + std::to_string(info.key_size) + " and " +
                           std::to_string(info.value_size) + " bytes, expected " +
                           std::to_string(key_size) + " and " + std::to_string(value_size) +
                           ": it is of another version of podrtt");
    return fd;
}

std::uint32_t map_capacity(int fd)
{
    bpf_map_info info = {};
    std::uint32_t length = sizeof(info);
    return bpf_obj_get_info_by_fd(fd, &info, &length) == 0 ? info.max_entries : 0;
}

} // namespace podrtt
