// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Files of others, which may be anything.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>

#include "bpf/user/error.h"

namespace podrtt
{

inline constexpr std::size_t max_text_size = 1 << 20;
inline constexpr std::size_t max_program_size = 64 << 20;

// Nothing for a file that is not there. What is no regular file (EINVAL) or larger than `max_size` (EFBIG)
// is an error: a FIFO would never end, and nor would a device.
Result<std::optional<std::string>> read_file(const std::filesystem::path &path,
                                             std::size_t max_size = max_text_size);

} // namespace podrtt
