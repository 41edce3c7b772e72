// SPDX-License-Identifier: Apache-2.0
//
// The plugin's place in the chain: what has to change so that there is an entry, or none. Reading only;
// file_change.h shows and applies a plan.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "node-daemon/install/file_change.h"

namespace podrtt
{

struct EntryOptions {
    std::filesystem::path conf_dir = "/etc/cni/net.d";
    // A separate file below <conf_dir>/<network>/, instead of an entry in the list, which others may
    // overwrite. Also done where `runtime` is an executable that is known to load such files.
    bool drop_in = false;
    std::filesystem::path runtime = "/usr/bin/containerd";

    bool operator==(const EntryOptions &) const = default;
};

// The list that a runtime takes: the first by name of all configurations, which must be a list. EAGAIN if
// there is none, or it cannot be understood: somebody may be writing it just now.
Result<std::filesystem::path> find_conflist(const std::filesystem::path &conf_dir);

struct EntryPlan {
    FileChanges changes;
    // Why there can be no entry. The changes take away those that there are: who cannot be run, or does
    // not speak a list's version, breaks pods.
    std::optional<Error> refused;
};

// One entry in one of its two places, and none in any other: a plugin is called once, and, as new ones come
// first, never not at all. Mode and owner of files stay, and what is right already is not touched. Empty
// if nothing is missing. `versions` are those of CNI that the plugin has answered, or why it has not.
EntryPlan plan_entry(const EntryOptions &options, const Result<std::vector<std::string>> &versions);

// Away with the entries, wherever they are. Refused (EAGAIN) if a list cannot be read or understood:
// somebody may be writing it just now, with an entry.
EntryPlan plan_entry_removal(const std::filesystem::path &conf_dir);

// Whether the change is of an entry's own file.
bool is_drop_in(const FileChange &change);

} // namespace podrtt
