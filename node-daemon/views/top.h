// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <iosfwd>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"

namespace podrtt
{

struct TopOptions {
    std::chrono::seconds interval{2};
    bool once = false;
    bool json = false;
};

// Shows the latency of every pod, once or until the process is ended.
Result<void> top(const Pins &pins, const TopOptions &options, std::ostream &out);

} // namespace podrtt
