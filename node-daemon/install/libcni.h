// SPDX-License-Identifier: Apache-2.0
//
// The libcni that the container runtime on the node is built with.
#pragma once

#include <filesystem>

namespace podrtt
{

// Whether a runtime loads plugins from <conf_dir>/<network>/*.conf, as libcni does from 1.3.0 on. Read from
// the build information that Go puts into executables (debug/buildinfo); false if that says nothing, or
// there is no such file. The last answer is kept; not thread-safe.
bool loads_drop_ins(const std::filesystem::path &runtime);

} // namespace podrtt
