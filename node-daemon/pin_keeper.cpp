// SPDX-License-Identifier: Apache-2.0
#include "pin_keeper.h"

#include <bpf/bpf.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>

#include "bpffs.h"

namespace podrtt
{
namespace
{

constexpr const char *names[] = {
    PODRTT_PROGRAM_FROM_POD, PODRTT_PROGRAM_TO_POD, PODRTT_PROGRAM_POD_OUT, PODRTT_PROGRAM_POD_IN,
    PODRTT_MAP_FLOWS,        PODRTT_MAP_HISTOGRAMS, PODRTT_MAP_PODS,        PODRTT_MAP_PEERS,
    PODRTT_MAP_PEER_NAMES,   PODRTT_MAP_DROPS,      PODRTT_MAP_TOTALS,      PODRTT_MAP_JOURNAL,
    PODRTT_MAP_SETTINGS,     PODRTT_MAP_EVENTS,
};

} // namespace

Result<PinKeeper> PinKeeper::open(const Pins &pins)
{
    PinKeeper keeper(pins);
    for (const char *name : names) {
        Fd fd(bpf_obj_get(pins.path(name).c_str()));
        if (!fd)
            return failure("open pinned object", pins.path(name), errno);
        keeper.objects_.emplace_back(name, std::move(fd));
    }
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
