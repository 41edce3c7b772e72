// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"

namespace podrtt
{

// Holds all maps and programs open, and pins them again if somebody has removed the pins or
// unmounted the bpffs: what they have counted is not lost then.
class PinKeeper
{
public:
    // Keeps what is pinned now.
    static Result<PinKeeper> open(const Pins &pins);

    // Whether something was missing, which is back now.
    Result<bool> restore();

private:
    explicit PinKeeper(Pins pins) : pins_(std::move(pins)) {}

    bool is_missing(const std::string &name) const;

    Pins pins_;
    std::vector<std::pair<std::string, Fd>> objects_; // by name
};

} // namespace podrtt
