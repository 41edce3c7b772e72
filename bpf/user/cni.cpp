// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/cni.h"

#include <algorithm>
#include <cctype>

namespace podrtt
{

bool is_cni_identifier(std::string_view text)
{
    auto is_alphanumeric = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0; };
    return !text.empty() && is_alphanumeric(text.front()) && std::ranges::all_of(text, [&](char c) {
        return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
    });
}

std::optional<std::string> read_cni_version(const nlohmann::json &value)
{
    if (!value.is_string())
        return std::nullopt;
    auto version = value.get<std::string>();
    return version.empty() ? "0.1.0" : version;
}

} // namespace podrtt
