// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/cni_cache.h"

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>

#include "bpf/user/file.h"
#include "bpf/user/json_text.h"

namespace podrtt
{
namespace
{

using Json = nlohmann::json;

std::string text_of(const Json &object, const char *key)
{
    auto value = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && value != object.end() && value->is_string() ? value->get<std::string>()
                                                                             : "";
}

const Json &list_of(const Json &object, const char *key)
{
    static const Json none = Json::array();
    auto value = object.is_object() ? object.find(key) : object.end();
    return object.is_object() && value != object.end() && value->is_array() ? *value : none;
}

std::string join_args(const Json &pairs)
{
    std::string args;
    for (const auto &pair : pairs)
        if (pair.is_array() && pair.size() == 2 && pair[0].is_string() && pair[1].is_string())
            args += pair[0].get<std::string>() + "=" + pair[1].get<std::string>() + ";";
    return args;
}

} // namespace

Result<CachedInterface> parse_cached_interface(const std::string &text)
{
    const Json json = parse_json(text);
    if (!json.is_object())
        return failure("read", "CNI cache file", "it is no JSON object");
    if (text_of(json, "kind") != "cniCacheV1")
        return failure("read", "CNI cache file", "it is not of kind cniCacheV1");

    CachedInterface found;
    found.network = text_of(json, "networkName");
    found.container_id = text_of(json, "containerId");
    found.ifname = text_of(json, "ifName");
    if (found.container_id.empty() || found.ifname.empty())
        return failure("read", "CNI cache file", "it names no container or no interface");
    found.args = join_args(list_of(json, "cniArgs"));
    found.netns = text_of(json, "netns");
    const Json result = json.value("result", Json());
    if (found.netns.empty())
        for (const auto &interface : list_of(result, "interfaces"))
            if (text_of(interface, "name") == found.ifname)
                found.netns = text_of(interface, "sandbox");
    const auto add_address = [&found](const std::string &prefix) {
        if (!prefix.empty())
            found.addresses.push_back(prefix.substr(0, prefix.find('/')));
    };
    for (const auto &ip : list_of(result, "ips"))
        add_address(text_of(ip, "address"));
    for (const char *family : {"ip4", "ip6"}) // CNI 0.2.0 and before
        if (result.is_object() && result.contains(family))
            add_address(text_of(result[family], "ip"));
    return found;
}

std::vector<CachedInterface> read_cni_cache(const std::filesystem::path &directory)
{
    std::vector<CachedInterface> all;
    std::error_code error;
    for (const auto &file : std::filesystem::directory_iterator(directory, error)) {
        const auto text = read_file(file.path());
        auto found = text ? parse_cached_interface(text->value_or("")) : std::unexpected(text.error());
        if (!found)
            continue;
        const auto written = std::filesystem::last_write_time(file.path(), error);
        const auto since_epoch = std::chrono::file_clock::to_sys(written).time_since_epoch();
        found->written = static_cast<std::uint64_t>(std::chrono::nanoseconds(since_epoch).count());
        all.push_back(std::move(*found));
    }
    std::ranges::sort(all, std::ranges::greater(), &CachedInterface::written);
    return all;
}

} // namespace podrtt
