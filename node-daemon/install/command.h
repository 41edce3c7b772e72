// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

struct Command {
    std::vector<std::string> arguments; // the first is the executable's path
    std::vector<std::string> environment = {};
    std::string input = {}; // on its stdin
};

// What a program of others writes to its stdout, at most 64 KiB of it. An error (ETIMEDOUT) if it has not
// ended within the deadline, by when it is killed, or if it ends with another status than 0.
Result<std::string> run_command(const Command &command, std::chrono::milliseconds deadline);

} // namespace podrtt
