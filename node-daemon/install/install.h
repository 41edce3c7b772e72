// SPDX-License-Identifier: Apache-2.0
//
// The plugin on the node: its file, and its entry in a list.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <ostream>
#include <string>

#include "bpf/user/error.h"
#include "node-daemon/install/plan.h"

namespace podrtt
{

struct InstallOptions {
    EntryOptions entry;
    std::filesystem::path bin_dir = "/opt/cni/bin";
    std::filesystem::path plugin;  // to be copied; empty: the one beside this executable
    bool dry_run = false;          // only show what would change
    std::chrono::seconds wait{10}; // of uninstall(), between the entry and the file

    bool operator==(const InstallOptions &) const = default;
};

// Asked before entries are changed.
using MayChange = std::function<bool()>;

// First the file, the other way round the runtime would look for a plugin that is not there; then it is
// tried, and gets its entry, or loses it if it does not work. Writes to `out` what is done, or as a diff
// what would be. EBUSY if `may_change` says no.
Result<void> install(
    const InstallOptions &options, std::ostream &out, const MayChange &may_change = [] { return true; });

struct InstallationState {
    std::string missing;      // empty: the plugin works, and has its entry
    bool breaks_pods = false; // there is an entry of a plugin that does not work
};

// What there is on the node, tried; changes nothing.
InstallationState check_installation(const InstallOptions &options);

// First the entries, then, when pods that are on their way by the list as it was have come through, the
// file. Writes to `out` what it does.
Result<void> uninstall(const InstallOptions &options, std::ostream &out);

} // namespace podrtt
