// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ostream>

#include "bpf/user/error.h"
#include "node-daemon/install/plan.h"

namespace podrtt
{

// Takes the entry away, waits for pods that are being created or deleted by the list as it was, and then
// takes the plugin's file away. Writes to `out` what it does.
Result<void> uninstall(const InstallOptions &options, std::ostream &out);

} // namespace podrtt
