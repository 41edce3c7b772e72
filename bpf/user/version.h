// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string>

namespace podrtt
{

inline constexpr const char *version = PODRTT_VERSION; // of the top-level CMakeLists.txt

// That this was built from, shortened; empty if nobody knows.
extern const char *const commit;

inline std::string version_and_commit()
{
    return version + (*commit ? " (commit " + std::string(commit) + ")" : "");
}

} // namespace podrtt
