// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "bpf/user/error.h"
#include "node-daemon/options.h"

namespace podrtt
{

// What to do about what has ended a command; empty if nobody knows.
std::string advice_on(const Error &error, Subcommand subcommand);

} // namespace podrtt
