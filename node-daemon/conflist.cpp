// SPDX-License-Identifier: Apache-2.0
#include "conflist.h"

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace podrtt
{
namespace
{

using Json = nlohmann::json;

constexpr std::string_view space = " \t\r\n";

// Where one plugin stands in the text.
struct Element {
    std::size_t begin;
    std::size_t end;
};

// Reads along a text that is known to be JSON.
class Scanner
{
public:
    explicit Scanner(std::string_view text) : text_(text) {}

    // The elements of "plugins" at the top level; of the last one if it is there twice, as
    // parsers have it.
    std::vector<Element> plugins()
    {
        std::vector<Element> found;
        skip_space();
        position_++; // the brace
        for (skip_space(); text_[position_] != '}'; skip_separator()) {
            const std::size_t key = position_;
            skip_value();
            const bool wanted = Json::parse(text_.substr(key, position_ - key)) == "plugins";
            skip_separator(); // the colon
            if (wanted)
                found = elements();
            else
                skip_value();
        }
        return found;
    }

private:
    void skip_space() { position_ = std::min(text_.find_first_not_of(space, position_), text_.size()); }

    void skip_separator()
    {
        skip_space();
        if (text_[position_] == ',' || text_[position_] == ':')
            position_++;
        skip_space();
    }

    void skip_string()
    {
        while (text_[++position_] != '"')
            if (text_[position_] == '\\')
                position_++;
        position_++;
    }

    // A string, or anything up to the separator behind it.
    void skip_value()
    {
        std::size_t depth = 0;
        do {
            switch (text_[position_]) {
            case '"':
                skip_string();
                break;
            case '{':
            case '[':
                depth++;
                position_++;
                break;
            case '}':
            case ']':
                depth--;
                position_++;
                break;
            default:
                position_++;
                break;
            }
        } while (
            position_ < text_.size() &&
            (depth > 0 ||
             (text_[position_ - 1] != '"' && text_[position_ - 1] != '}' && text_[position_ - 1] != ']' &&
              (space.find(text_[position_]) == std::string_view::npos &&
               std::string_view(",:]}").find(text_[position_]) == std::string_view::npos))));
    }

    std::vector<Element> elements()
    {
        std::vector<Element> found;
        position_++; // the bracket
        for (skip_space(); text_[position_] != ']'; skip_separator()) {
            const std::size_t begin = position_;
            skip_value();
            found.push_back({begin, position_});
        }
        position_++;
        return found;
    }

    std::string_view text_;
    std::size_t position_ = 0;
};

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
    auto json = Json::parse(text, nullptr, false);
    if (json.is_discarded())
        return refuse("it is no JSON, or only a part of it");
    if (text[text.find_first_not_of(space)] != '{') // a byte order mark
        return refuse("it does not begin with a brace");
    if (!json.is_object() || !json.contains("plugins") || !json["plugins"].is_array() ||
        !json.value("name", Json()).is_string())
        return refuse("it is no list of plugins with a name");
    return json;
}

// Keeps whoever edits text from harm: the result must be what an edit of the values gives.
Result<std::string> checked(std::string text, const Json &expected)
{
    if (Json::parse(text, nullptr, false) != expected)
        return refuse("its form is not understood");
    return text;
}

} // namespace

Result<ConfList> read_conflist(const std::string &text)
{
    auto json = parse(text);
    if (!json)
        return std::unexpected(json.error());
    ConfList list = {(*json)["name"].get<std::string>(), "", true};
    for (const Json &plugin : (*json)["plugins"])
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
    return is_own(Json::parse(text, nullptr, false));
}

Result<std::string> remove_from_conflist(const std::string &text)
{
    auto json = parse(text);
    if (!json)
        return std::unexpected(json.error());
    std::string edited = text;
    const auto plugins = Scanner(text).plugins();
    if (plugins.size() != (*json)["plugins"].size())
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
    Json expected = Json::parse(*without);
    if (expected["plugins"].empty())
        return refuse("it has no plugin that podrtt could follow");
    const auto plugins = Scanner(*without).plugins();
    // As far from the last one as that is from the one before it.
    const std::size_t before = plugins.size() > 1 ? without->find(',', plugins[plugins.size() - 2].end) + 1
                                                  : without->rfind('[', plugins[0].begin) + 1;
    const std::string gap = without->substr(before, plugins.back().begin - before);
    std::string edited = *without;
    edited.insert(plugins.back().end, "," + gap + entry);
    expected["plugins"].push_back(Json::parse(entry));
    return checked(edited, expected);
}

} // namespace podrtt
