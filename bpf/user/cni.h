// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Words of the CNI specification.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace podrtt
{

// Whether it can name a container or a network (sections 1 and 2).
bool is_cni_identifier(std::string_view text);

// What a "cniVersion" says: "", as libcni writes it where there is none, is 0.1.0 (libcni,
// version.ConfigDecoder). Nothing if it is no text.
std::optional<std::string> read_cni_version(const nlohmann::json &value);

} // namespace podrtt
