// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>

#include "error.h"
#include "pins.h"

namespace podrtt
{

// Takes podrtt's programs off all interfaces, and removes all that is pinned, of every layout: what was
// measured is gone. Refused while a daemon runs, which would put them back. With `dry_run` it only says so.
Result<void> purge(const Pins &pins, bool dry_run, std::ostream &out);

} // namespace podrtt
