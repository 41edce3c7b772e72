// SPDX-License-Identifier: Apache-2.0
//
// Changes of files: planned, shown as a diff, applied.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

struct FileChange {
    std::filesystem::path path;
    std::optional<std::string> before; // what is there; nothing: no such file
    std::optional<std::string> after;  // what shall be there; nothing: no such file
    mode_t mode = 0600; // of a new file; one that exists keeps its own, and can be run if this can
    std::string source; // of a file that is not text: where it is copied from
};

using FileChanges = std::vector<FileChange>; // in the order in which they are made

// A unified diff as patch(1) takes it, with comments about files that are not text.
void print_diff(const FileChanges &changes, std::ostream &out);

// Makes the changes, each in one step: a file is as it was or as it shall be, never a part of it; a text
// that is a symbolic link stays one, and what it points at is changed. Fails if somebody else has written
// or removed a file since it was planned, or has it open for writing: what they have made of it stays.
// Writes to `out` what is done.
Result<void> apply_changes(const FileChanges &changes, std::ostream &out);

} // namespace podrtt
