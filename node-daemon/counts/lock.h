// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// Creates the directory, if it is missing, and locks it for as long as the Fd lives. A
// directory, because a bpffs has no plain files. `holder` is who has it if this fails.
Result<Fd> lock_directory(const std::string &directory, const std::string &holder);

// The same, shared with others who call this.
Result<Fd> share_directory(const std::string &directory, const std::string &holder);

// Whether nobody else shares it any more. The lock is this one's alone then; else it is no one's.
bool is_last_to_share(const Fd &lock);

// Whether somebody holds that lock, without touching it: he must be in this PID namespace, or below.
bool is_directory_locked(const std::string &directory);

} // namespace podrtt
