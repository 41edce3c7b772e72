// SPDX-License-Identifier: Apache-2.0
//
// The plugin's file on the node: put where the runtime looks for it, and tried there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "node-daemon/install/file_change.h"

namespace podrtt
{

inline constexpr const char *plugin_name = "podrtt";

// That which lies beside this executable.
std::filesystem::path shipped_plugin();

// Empty if `path` is what `source` is, and can be run.
Result<FileChanges> plan_plugin(const std::filesystem::path &source, const std::filesystem::path &path);

// Empty if there is none.
Result<FileChanges> plan_plugin_removal(const std::filesystem::path &path);

// The versions of CNI that the plugin says it speaks, asked by VERSION as a runtime asks it: by running the
// file, which may have no x bit, lie on a file system that forbids it, or be another program.
Result<std::vector<std::string>> ask_versions(const std::filesystem::path &plugin);

} // namespace podrtt
