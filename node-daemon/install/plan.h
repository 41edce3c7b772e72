// SPDX-License-Identifier: Apache-2.0
//
// The plugin on the node, its file and its place in the chain: what has to change so that it is
// installed, or not. Reading only; file_change.h shows and applies a plan.
#pragma once

#include <chrono>
#include <filesystem>
#include <ostream>

#include "bpf/user/error.h"
#include "node-daemon/install/file_change.h"

namespace podrtt
{

struct InstallOptions {
    std::filesystem::path conf_dir = "/etc/cni/net.d";
    std::filesystem::path bin_dir = "/opt/cni/bin";
    std::filesystem::path plugin; // to be copied; empty: the one beside this executable
    // A separate file below <conf_dir>/<network>/, instead of an entry in the list, which others may
    // overwrite. Also done where `runtime` is an executable that is known to load such files.
    bool drop_in = false;
    std::filesystem::path runtime = "/usr/bin/containerd";
    bool dry_run = false;          // only show what would change
    std::chrono::seconds wait{10}; // of uninstall(), between the entry and the file
};

// The list that a runtime takes: the first by name that is valid.
Result<std::filesystem::path> find_conflist(const std::filesystem::path &conf_dir);

// First the plugin's file, then its entry in one of its two places, then away with it in the other: a
// plugin is called once, and never not at all. Mode and owner of files stay, and what is right already is
// not touched. Empty if nothing is missing.
Result<FileChanges> plan_install(const InstallOptions &options);

// The entries, wherever they are; and the file, which pods on their way may still need.
struct UninstallPlan {
    FileChanges entries;
    FileChanges plugin;
};
Result<UninstallPlan> plan_uninstall(const InstallOptions &options);

// Carries out plan_install(), or shows it as a diff. Writes to `out` what it does.
Result<void> install(const InstallOptions &options, std::ostream &out);

// Runtimes watch the configuration directory itself, but not those below it: after a change there, this
// makes them look.
Result<void> wake_runtime(const InstallOptions &options, const FileChanges &done);

} // namespace podrtt
