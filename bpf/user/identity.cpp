// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "identity.h"

#include <algorithm>
#include <cctype>
#include <string_view>

namespace podrtt
{
namespace
{

bool is_name_character(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == ':';
}

template <std::size_t size>
Result<void> assign(char (&field)[size], std::string_view what, std::string_view value)
{
    if (value.size() >= size)
        return failure("read", std::string(what),
                       "longer than " + std::to_string(size - 1) + " characters");
    if (!std::ranges::all_of(value, is_name_character))
        return failure("read", std::string(what), "it has a character that no name may have");
    std::ranges::copy(value, field);
    return {};
}

// The value of `name` in "NAME=VALUE;NAME=VALUE", or nothing.
std::string_view find_argument(std::string_view args, std::string_view name)
{
    while (!args.empty()) {
        std::string_view pair = args.substr(0, args.find(';'));
        args.remove_prefix(std::min(args.size(), pair.size() + 1));
        if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
            return pair.substr(name.size() + 1);
    }
    return {};
}

} // namespace

Result<podrtt_pod> parse_identity(const std::string &args, const std::string &container_id,
                                  const std::string &ifname)
{
    podrtt_pod pod = {};
    std::string_view name = find_argument(args, "K8S_POD_NAME");
    Result<void> results[] = {
        assign(pod.name_space, "K8S_POD_NAMESPACE", find_argument(args, "K8S_POD_NAMESPACE")),
        assign(pod.name, "K8S_POD_NAME", name.empty() ? container_id : name),
        assign(pod.uid, "K8S_POD_UID", find_argument(args, "K8S_POD_UID")),
        assign(pod.container_id, "CNI_CONTAINERID", container_id),
        assign(pod.ifname, "CNI_IFNAME", ifname),
    };
    for (const auto &result : results)
        if (!result)
            return std::unexpected(result.error());
    return pod;
}

} // namespace podrtt
