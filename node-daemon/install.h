// SPDX-License-Identifier: Apache-2.0
//
// The plugin on the node: its file, and its place in the chain.
#pragma once

#include <chrono>
#include <filesystem>
#include <ostream>
#include <string>

#include "error.h"

namespace podrtt
{

struct InstallOptions {
    std::filesystem::path conf_dir = "/etc/cni/net.d";
    std::filesystem::path bin_dir = "/opt/cni/bin";
    std::filesystem::path plugin; // to be copied; empty: the one beside this executable
    // A file of its own below <conf_dir>/<network>/, instead of an entry in the list, which others may
    // write over. Also done where `runtime` is an executable that is known to load such files.
    bool drop_in = false;
    std::filesystem::path runtime = "/usr/bin/containerd";
    bool dry_run = false;          // only say what would be done
    std::chrono::seconds wait{10}; // of uninstall(), between the entry and the file
};

// The list that a runtime takes: the first by name that is valid.
Result<std::filesystem::path> find_conflist(const std::filesystem::path &conf_dir);

// Puts the plugin's file into place, then its entry. Files are replaced as a whole, mode and owner
// stay, and what is right already is not touched. Writes to `out` what it does.
Result<void> install(const InstallOptions &options, std::ostream &out);

// Takes the entry away, wherever it is, then the file, which pods on their way may still need.
Result<void> uninstall(const InstallOptions &options, std::ostream &out);

} // namespace podrtt
