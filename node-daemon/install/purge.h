// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"

namespace podrtt
{

// Takes podrtt's programs off all interfaces, and then removes what podrtt has pinned, of every layout:
// what was measured is gone. If a program cannot be taken off, the pins stay. Refused while a daemon runs,
// which would put everything back. With `dry_run` it only says so.
Result<void> purge(const Pins &pins, bool dry_run, std::ostream &out);

} // namespace podrtt
