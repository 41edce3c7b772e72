// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace podrtt::cni
{

// Gives the plugin one input: lines of the environment, "CNI_COMMAND=ADD", an empty line, and
// what comes on stdin. Aborts if an invariant does not hold. Does nothing to the system.
void fuzz_plugin(const std::string &input);

} // namespace podrtt::cni
