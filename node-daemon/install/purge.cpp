// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/purge.h"

#include <net/if.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <ostream>
#include <system_error>
#include <utility>
#include <vector>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/fd.h"
#include "bpf/user/handle.h"
#include "bpf/user/map.h"
#include "bpf/user/netlink.h"
#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/upgrade.h"

namespace podrtt
{
namespace
{

using Interfaces = Handle<struct if_nameindex, if_freenameindex>;

bool is_gone(int interface)
{
    char name[IF_NAMESIZE];
    return if_indextoname(static_cast<unsigned>(interface), name) == nullptr;
}

// From all interfaces of the node: host veths whose pod nobody knows any more included.
Result<void> detach_from_interfaces()
{
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    const Interfaces interfaces(if_nameindex());
    if (!interfaces)
        return failure("list", "interfaces", errno);
    for (const auto *interface = interfaces.get(); interface->if_index; interface++) {
        const auto index = static_cast<int>(interface->if_index);
        if (auto detached = attach::detach(*netlink, index); !detached && !is_gone(index))
            return detached;
    }
    return {};
}

Result<void> detach_inside_pods(const std::filesystem::path &directory)
{
    const auto path = directory / PODRTT_MAP_PODS;
    std::error_code error; // what cannot be seen counts as missing
    if (!std::filesystem::exists(path, error))
        return {};
    auto map = Pods::open(path);
    if (!map)
        return std::unexpected(map.error());
    auto pods = map->entries();
    if (!pods)
        return std::unexpected(pods.error());
    for (const auto &[id, pod] : *pods)
        if (pod.attach == PODRTT_ATTACH_POD && !is_gone(static_cast<int>(pod.host_ifindex)))
            if (auto detached = attach::detach_inside(pod); !detached)
                return detached;
    return {};
}

} // namespace

Result<void> purge(const Pins &pins, bool dry_run, std::ostream &out)
{
    std::vector<std::filesystem::path> layouts = {pins.directory()};
    for (const auto &layout : other_layouts(pins))
        layouts.push_back(pins.of_layout(layout));
    std::error_code error;
    std::erase_if(layouts, [&](const auto &layout) { return !std::filesystem::exists(layout, error); });
    std::vector<Fd> locks;
    for (const auto &layout : layouts) {
        auto lock = lock_directory(layout, "podrttd is running; stop it first");
        if (!lock)
            return std::unexpected(lock.error());
        locks.push_back(std::move(*lock));
        if (dry_run)
            out << "would remove " << layout.string() << '\n';
    }
    if (dry_run) {
        out << "would detach podrtt's programs\n";
        return {};
    }
    if (auto detached = detach_from_interfaces(); !detached)
        return detached;
    for (const auto &layout : layouts)
        if (auto detached = detach_inside_pods(layout); !detached)
            return detached;
    out << "detached podrtt's programs\n";
    for (const auto &layout : layouts) {
        std::filesystem::remove_all(layout, error);
        if (error)
            return failure("remove", layout, error.value());
        out << "removed " << layout.string() << '\n';
    }
    std::filesystem::remove(pins.directory().parent_path(), error); // unless others have something there
    return {};
}

} // namespace podrtt
