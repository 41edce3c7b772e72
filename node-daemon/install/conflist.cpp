// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/conflist.h"

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "bpf/user/cni.h"
#include "bpf/user/json_text.h"

namespace podrtt
{
namespace
{

using Json = nlohmann::json;

bool is_own(const Json &plugin)
{
    return plugin.is_object() && plugin.value("type", Json()) == "podrtt";
}

std::unexpected<Error> refuse(const std::string &reason)
{
    return failure("edit", "CNI configuration", reason);
}

Result<Json> parse(const std::string &text)
{
    auto json = parse_json(text);
    if (json.is_discarded())
        return refuse("it is not JSON, only a part of it, or nested too deeply");
    if (text[text.find_first_not_of(" \t\r\n")] != '{') // a byte order mark
        return refuse("it does not begin with a brace");
    if (!json.is_object() || !json.contains("plugins") || !json["plugins"].is_array() ||
        !json.value("name", Json()).is_string())
        return refuse("it is not a list of plugins with a name");
    return json;
}

// Guards the editing of text: the result must be what an edit of the values gives.
Result<std::string> checked(std::string text, const Json &expected)
{
    if (parse_json(text) != expected)
        return refuse("its form is not understood");
    return text;
}

bool has_type(const Json &plugin)
{
    const Json type = plugin.is_object() ? plugin.value("type", Json()) : Json();
    return type.is_string() && !type.get_ref<const std::string &>().empty();
}

// That of "cniVersion", 0.1.0 without one, and what "cniVersions" offers besides. Nothing if they are no
// texts.
std::optional<std::vector<std::string>> versions_of(const Json &list)
{
    std::vector<std::string> versions;
    Json all = list.value("cniVersions", Json::array());
    if (!all.is_array())
        return std::nullopt;
    if (all.empty() || list.contains("cniVersion"))
        all.push_back(list.value("cniVersion", Json("")));
    for (const Json &version : all) {
        auto text = read_cni_version(version);
        if (!text)
            return std::nullopt;
        versions.push_back(std::move(*text));
    }
    return versions;
}

} // namespace

Result<ConfList> read_conflist(const std::string &text)
{
    auto json = parse(text);
    if (!json)
        return std::unexpected(json.error());
    auto versions = versions_of(*json);
    if (!versions)
        return refuse("its version is no text");
    const Json &plugins = (*json)["plugins"];
    if (plugins.empty() || !std::ranges::all_of(plugins, has_type))
        return refuse("it has no plugins, or one without a type");
    ConfList list = {(*json)["name"].get<std::string>(), std::move(*versions), "", true};
    if (!is_cni_identifier(list.name)) // it is the name of a directory, too
        return refuse("its name is none that a network can have");
    for (const Json &plugin : plugins)
        if (is_own(plugin))
            list.own = plugin.dump();
    // libcni takes texts, too.
    const Json only_inlined = json->value("loadOnlyInlinedPlugins", Json());
    if (only_inlined.is_string())
        list.loads_drop_ins = strcasecmp(only_inlined.get_ref<const std::string &>().c_str(), "true") != 0;
    else
        list.loads_drop_ins = only_inlined != true;
    return list;
}

bool is_own_entry(const std::string &text)
{
    return is_own(parse_json(text));
}

Result<std::string> remove_from_conflist(const std::string &text)
{
    auto json = parse(text);
    if (!json)
        return std::unexpected(json.error());
    std::string edited = text;
    const auto found = find_objects(text, "plugins");
    const auto &plugins = found.spans;
    if (!found.complete || plugins.size() != (*json)["plugins"].size())
        return refuse("its form is not understood");
    Json expected = *json;
    for (std::size_t i = plugins.size(); i-- > 0;) {
        if (!is_own((*json)["plugins"][i]))
            continue;
        // With the comma before it; the first one with that behind it.
        std::size_t begin = i > 0 ? plugins[i - 1].end : plugins[i].begin;
        std::size_t end = i == 0 && plugins.size() > 1 ? plugins[i + 1].begin : plugins[i].end;
        edited.erase(begin, end - begin);
        expected["plugins"].erase(i);
    }
    return checked(edited, expected);
}

Result<std::string> add_to_conflist(const std::string &text, const std::string &entry)
{
    auto json = parse(text);
    if (!json)
        return std::unexpected(json.error());
    const Json &present = (*json)["plugins"];
    if (!present.empty() && is_own(present.back()) && std::ranges::count_if(present, is_own) == 1 &&
        present.size() > 1)
        return text; // the operator's own keys in it included
    auto without = remove_from_conflist(text);
    if (!without)
        return without;
    Json expected = parse_json(*without);
    if (expected["plugins"].empty())
        return refuse("it has no plugin that podrtt could follow");
    const auto plugins = find_objects(*without, "plugins").spans;
    // As far from the last one as that is from the one before it.
    const std::size_t before = plugins.size() > 1 ? without->find(',', plugins[plugins.size() - 2].end) + 1
                                                  : without->rfind('[', plugins[0].begin) + 1;
    const std::string gap = without->substr(before, plugins.back().begin - before);
    std::string edited = *without;
    edited.insert(plugins.back().end, "," + gap + entry);
    expected["plugins"].push_back(parse_json(entry));
    return checked(edited, expected);
}

} // namespace podrtt
