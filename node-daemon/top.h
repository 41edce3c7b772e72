// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>

#include "error.h"
#include "options.h"
#include "pins.h"

namespace podrtt
{

// Shows the latency of every pod, once or until the process is ended.
Result<void> top(const Pins &pins, const TopOptions &options, std::ostream &out);

} // namespace podrtt
