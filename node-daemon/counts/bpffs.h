// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "bpf/user/error.h"

namespace podrtt
{

// Whether the path, or the nearest directory above it that exists, is on a bpffs.
bool is_on_bpffs(std::filesystem::path path);

// Makes sure that `pin_path` lies on a bpffs: mounts one on /sys/fs/bpf if the path is
// below it and nobody has mounted one; not in a container, whose mounts the node does not see. Returns
// whether it did.
Result<bool> ensure_bpffs(const std::filesystem::path &pin_path);

} // namespace podrtt
