// SPDX-License-Identifier: Apache-2.0
//
// What the container runtime on the node can do.
#pragma once

#include <filesystem>

namespace podrtt
{

// Whether a runtime loads plugins from <conf_dir>/<network>/*.conf, as libcni does from 1.3.0 on. Told by
// the build information that Go puts into executables (runtime/debug.BuildInfo); false if that says
// nothing, or there is no such file. The last answer is kept; not thread-safe.
bool loads_drop_ins(const std::filesystem::path &runtime);

} // namespace podrtt
