// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Where the objects of this layout are pinned, and how to open them.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "bpf/podrtt.h"
#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/map.h"
#include "bpf/user/pod.h"

namespace podrtt
{

class Pins
{
public:
    // `pin_path` is the directory that holds those of all layouts, on a bpffs.
    explicit Pins(const std::filesystem::path &pin_path) : directory_(pin_path / PODRTT_LAYOUT_DIR) {}

    const std::filesystem::path &directory() const { return directory_; }
    // Of another layout, by the name of its directory.
    std::filesystem::path of_layout(const std::string &name) const
    {
        return directory_.parent_path() / name;
    }
    std::string path(std::string_view name) const { return directory_ / name; }

    Result<Fd> program(std::string_view name) const;

    Result<Pods> pods() const { return Pods::open(path(PODRTT_MAP_PODS)); }
    Result<Settings> settings() const { return Settings::open(path(PODRTT_MAP_SETTINGS)); }

    // Adds to `drops`, beside programs and others that do the same.
    Result<void> count(podrtt_drop drop, std::uint64_t times = 1) const;

private:
    std::filesystem::path directory_;
};

} // namespace podrtt
