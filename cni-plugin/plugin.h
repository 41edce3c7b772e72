// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <iosfwd>
#include <string>

#include "cni-plugin/request.h"

namespace podrtt::cni
{

// Does what the environment and the configuration ask for. Returns the exit status.
// Results and errors for the runtime go to `out`, log lines to `log`.
//
// The plugin observes, so it fails open: when a pod cannot be instrumented, the reason
// is logged and the pod is not measured, unless the configuration wants otherwise.
int run(const Environment &environment, const std::string &config_text, std::ostream &out,
        std::ostream &log);

} // namespace podrtt::cni
