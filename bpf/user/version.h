// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

namespace podrtt
{

inline constexpr const char *version = PODRTT_VERSION; // of the top-level CMakeLists.txt

} // namespace podrtt
