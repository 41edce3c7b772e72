// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <string>

namespace podrtt
{

// Lines of text, or an object of JSON in each, from `level` on, which is one of spdlog's words.
void set_log(spdlog::logger &log, const std::string &level, bool json);

} // namespace podrtt
