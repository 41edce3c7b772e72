// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/pin_keeper.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "node-daemon/counts/bpffs.h"

namespace podrtt
{
Result<PinKeeper> PinKeeper::open(const Pins &pins)
{
    PinKeeper keeper(pins);
    std::error_code error;
    for (const auto &pin : std::filesystem::directory_iterator(pins.directory(), error)) {
        if (pin.is_directory()) // where podrttd stream has its lock
            continue;
        Fd fd(bpf_obj_get(pin.path().c_str()));
        if (!fd)
            return failure("open pinned object", pin.path(), errno);
        keeper.objects_.emplace_back(pin.path().filename(), std::move(fd));
    }
    if (error)
        return failure("list", pins.directory(), error.value());
    return keeper;
}

bool PinKeeper::is_missing(const std::string &name) const
{
    return access(pins_.path(name).c_str(), F_OK) != 0;
}

Result<bool> PinKeeper::restore()
{
    if (std::ranges::none_of(objects_, [this](const auto &object) { return is_missing(object.first); }))
        return false;
    if (auto mounted = ensure_bpffs(pins_.directory()); !mounted)
        return mounted;
    std::error_code error;
    std::filesystem::create_directories(pins_.directory(), error);
    if (error)
        return failure("create directory", pins_.directory(), error.value());
    for (const auto &[name, fd] : objects_)
        if (is_missing(name) && bpf_obj_pin(fd.get(), pins_.path(name).c_str()) != 0)
            return failure("pin again", pins_.path(name), errno);
    return true;
}

} // namespace podrtt
