// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/conflist.h"

#include <strings.h>

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

namespace podrtt
{
namespace
{

using Json = nlohmann::json;

// Where one plugin stands in the text.
struct Element {
    std::size_t begin;
    std::size_t end;
};

// Reads a text for the parser, and knows how far that has got.
struct CountingIterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = char;
    using difference_type = std::ptrdiff_t;
    using pointer = const char *;
    using reference = const char &;

    const char *at;
    const char **reached;

    reference operator*() const { return *at; }
    CountingIterator &operator++()
    {
        *reached = ++at;
        return *this;
    }
    bool operator==(const CountingIterator &other) const { return at == other.at; }
};

// Notes where the elements of "plugins" at the top level stand; of the last one if it is there twice, as
// parsers have it. A brace or bracket is reported before anything behind it is read.
class PluginFinder : public nlohmann::json_sax<Json>
{
public:
    explicit PluginFinder(const std::string &text) : begin_(text.data()), reached_(text.data())
    {
        const char *end = text.data() + text.size();
        understood_ &=
            Json::sax_parse(CountingIterator{begin_, &reached_}, CountingIterator{end, &reached_}, this);
    }

    // False if an element is not an object.
    bool understood() const { return understood_; }
    const std::vector<Element> &plugins() const { return plugins_; }

    bool null() override { return scalar(); }
    bool boolean(bool /*value*/) override { return scalar(); }
    bool number_integer(number_integer_t /*value*/) override { return scalar(); }
    bool number_unsigned(number_unsigned_t /*value*/) override { return scalar(); }
    bool number_float(number_float_t /*value*/, const string_t & /*text*/) override { return scalar(); }
    bool string(string_t & /*value*/) override { return scalar(); }
    bool binary(binary_t & /*value*/) override { return scalar(); }

    bool key(string_t &name) override
    {
        if (depth_ == 1)
            at_plugins_ = name == "plugins";
        return true;
    }

    bool start_object(std::size_t /*size*/) override
    {
        if (depth_++ == 2 && in_plugins_)
            plugins_.push_back({position() - 1, 0});
        return true;
    }

    bool end_object() override
    {
        if (--depth_ == 2 && in_plugins_)
            plugins_.back().end = position();
        return true;
    }

    bool start_array(std::size_t /*size*/) override
    {
        if (depth_ == 2 && in_plugins_)
            understood_ = false;
        if (depth_++ == 1 && at_plugins_) {
            plugins_.clear();
            in_plugins_ = true;
        }
        return true;
    }

    bool end_array() override
    {
        if (--depth_ == 1)
            in_plugins_ = false;
        return true;
    }

    bool parse_error(std::size_t /*position*/, const std::string & /*token*/,
                     const nlohmann::detail::exception & /*error*/) override
    {
        return false;
    }

private:
    std::size_t position() const { return static_cast<std::size_t>(reached_ - begin_); }

    bool scalar()
    {
        if (depth_ == 2 && in_plugins_)
            understood_ = false;
        return true;
    }

    const char *begin_;
    const char *reached_;
    std::vector<Element> plugins_;
    int depth_ = 0;
    bool at_plugins_ = false; // the last key at the top level was "plugins"
    bool in_plugins_ = false;
    bool understood_ = true;
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
        return refuse("it is not JSON, or only a part of it");
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
    const PluginFinder finder(text);
    const auto &plugins = finder.plugins();
    if (!finder.understood() || plugins.size() != (*json)["plugins"].size())
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
    const PluginFinder finder(*without);
    const auto &plugins = finder.plugins();
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
