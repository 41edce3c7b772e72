// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/owner.h"

#include <bpf/bpf.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>

#include "bpf/podrtt.h"

namespace podrtt
{
namespace
{

struct Address {
    sockaddr_un name = {};
    socklen_t size = 0;
};

// In the abstract name space (unix(7)), which forgets a name with its socket.
Address address_of(std::uint32_t owner)
{
    const std::string text = "podrtt-owner-" + std::to_string(owner);
    Address address;
    address.name.sun_family = AF_UNIX;
    text.copy(address.name.sun_path + 1, sizeof(address.name.sun_path) - 1);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
    return address;
}

Result<Fd> unix_socket()
{
    Fd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    return fd ? Result<Fd>(std::move(fd)) : failure("open", "Unix socket", errno);
}

} // namespace

Result<Fd> announce_owner(std::uint32_t owner)
{
    auto fd = unix_socket();
    if (!fd)
        return fd;
    const Address address = address_of(owner);
    if (bind(fd->get(), reinterpret_cast<const sockaddr *>(&address.name), address.size) != 0)
        return failure("announce owner", std::to_string(owner), errno);
    return fd;
}

Result<Owners> Owners::open()
{
    auto fd = unix_socket();
    return fd ? Result<Owners>(Owners(std::move(*fd))) : std::unexpected(fd.error());
}

bool Owners::is_alive(std::uint32_t owner) const
{
    const Address address = address_of(owner);
    return connect(socket_.get(), reinterpret_cast<const sockaddr *>(&address.name), address.size) == 0;
}

std::uint32_t owner_of_program(std::uint32_t program_id)
{
    const Fd program(bpf_prog_get_fd_by_id(program_id));
    std::array<std::uint32_t, 64> maps = {};
    bpf_prog_info info = {};
    info.nr_map_ids = maps.size();
    info.map_ids = reinterpret_cast<std::uintptr_t>(maps.data());
    std::uint32_t length = sizeof(info);
    if (!program || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0)
        return 0;
    for (std::uint32_t i = 0; i < info.nr_map_ids && i < maps.size(); i++) {
        const Fd map(bpf_map_get_fd_by_id(maps[i]));
        bpf_map_info about = {};
        length = sizeof(about);
        const std::uint32_t key = PODRTT_SETTING_OWNER;
        std::uint64_t owner = 0;
        if (map && bpf_obj_get_info_by_fd(map.get(), &about, &length) == 0 &&
            std::string_view(about.name) == PODRTT_MAP_SETTINGS && about.value_size == sizeof(owner) &&
            bpf_map_lookup_elem(map.get(), &key, &owner) == 0)
            return static_cast<std::uint32_t>(owner);
    }
    return 0;
}

} // namespace podrtt
