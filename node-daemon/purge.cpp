// SPDX-License-Identifier: Apache-2.0
#include "purge.h"

#include <net/if.h>

#include <cerrno>
#include <filesystem>
#include <ostream>
#include <system_error>

#include "attachment.h"
#include "handle.h"
#include "lock.h"
#include "netlink.h"

namespace podrtt
{
namespace
{

using Interfaces = Handle<struct if_nameindex, if_freenameindex>;

// Of the node: host veths whose pod nobody knows any more included.
Result<void> detach_from_interfaces(std::ostream &out)
{
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    const Interfaces interfaces(if_nameindex());
    if (!interfaces)
        return failure("list", "interfaces", errno);
    for (const auto *interface = interfaces.get(); interface->if_index; interface++) {
        const auto index = static_cast<int>(interface->if_index);
        auto attached = is_attached(interface->if_index, {});
        if (!attached || !*attached)
            continue; // it may have gone meanwhile
        if (auto detached = detach(*netlink, index); !detached)
            return detached;
        out << "detached from " << interface->if_name << '\n';
    }
    return {};
}

Result<void> detach_inside_pods(const Pins &pins, std::ostream &out)
{
    auto map = pins.pods();
    if (!map)
        return {}; // there are none
    auto pods = map->entries();
    if (!pods)
        return std::unexpected(pods.error());
    for (const auto &[id, pod] : *pods) {
        if (!(id & PODRTT_ID_IN_POD))
            continue;
        if (auto detached = detach_in_pod(pod); !detached) // most often because the pod is gone
            out << detached.error().message() << '\n';
    }
    return {};
}

} // namespace

Result<void> purge(const Pins &pins, bool dry_run, std::ostream &out)
{
    const auto directory = pins.directory().parent_path();
    std::error_code error;
    if (!std::filesystem::exists(pins.directory(), error))
        return {};
    auto lock = lock_directory(pins.directory(), "podrttd runs; end it first");
    if (!lock)
        return std::unexpected(lock.error());
    if (dry_run) {
        out << "would detach podrtt's programs, and remove " << directory.string() << '\n';
        return {};
    }
    if (auto detached = detach_from_interfaces(out); !detached)
        return detached;
    if (auto detached = detach_inside_pods(pins, out); !detached)
        return detached;
    std::filesystem::remove_all(directory, error);
    if (error)
        return failure("remove", directory, error.value());
    out << "removed " << directory.string() << '\n';
    return {};
}

} // namespace podrtt
