// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "cni-plugin/request.h"

namespace podrtt::cni
{

// What a runtime gave to a plugin in one call.
struct Capture {
    std::string name; // file and time
    Environment environment;
    std::string config;
};

// All calls recorded in unit-tests/data/cni-captures.
std::vector<Capture> captures();

} // namespace podrtt::cni
