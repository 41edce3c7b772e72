// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/json_text.h"

#include <algorithm>
#include <iterator>

namespace podrtt
{
namespace
{

using Json = nlohmann::json;

constexpr int max_depth = 500;

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

// A brace or bracket is reported before anything behind it is read.
class ObjectFinder : public nlohmann::json_sax<Json>
{
public:
    ObjectFinder(const std::string &text, const std::string &key)
        : begin_(text.data()), reached_(text.data()), key_(key)
    {
        const char *end = text.data() + text.size();
        found_.complete &=
            Json::sax_parse(CountingIterator{begin_, &reached_}, CountingIterator{end, &reached_}, this);
    }

    const JsonObjects &found() const { return found_; }

    bool null() override { return scalar(); }
    bool boolean(bool /*value*/) override { return scalar(); }
    bool number_integer(number_integer_t /*value*/) override { return scalar(); }
    bool number_unsigned(number_unsigned_t /*value*/) override { return scalar(); }
    bool number_float(number_float_t /*value*/, const string_t & /*text*/) override { return scalar(); }
    bool string(string_t & /*value*/) override { return scalar(); }
    bool binary(binary_t & /*value*/) override { return scalar(); }

    bool key(string_t &name) override
    {
        if (depth_ == 1) {
            in_value_ = name == key_;
            if (in_value_)
                found_ = {};
        }
        return true;
    }

    bool start_object(std::size_t /*size*/) override
    {
        if (is_wanted(depth_++))
            found_.spans.push_back({position() - 1, 0});
        return true;
    }

    bool end_object() override
    {
        if (is_wanted(--depth_))
            found_.spans.back().end = position();
        return true;
    }

    bool start_array(std::size_t /*size*/) override
    {
        if (in_value_ && depth_ == 1)
            found_.in_list = true;
        else if (is_wanted(depth_))
            found_.complete = false;
        depth_++;
        return true;
    }

    bool end_array() override
    {
        depth_--;
        return true;
    }

    bool parse_error(std::size_t /*position*/, const std::string & /*token*/,
                     const nlohmann::detail::exception & /*error*/) override
    {
        return false;
    }

private:
    std::size_t position() const { return static_cast<std::size_t>(reached_ - begin_); }

    // Whether what stands at this depth is the value, or an element of it.
    bool is_wanted(int depth) const { return in_value_ && depth == (found_.in_list ? 2 : 1); }

    bool scalar()
    {
        if (is_wanted(depth_))
            found_.complete = false;
        return true;
    }

    const char *begin_;
    const char *reached_;
    const std::string &key_;
    JsonObjects found_;
    int depth_ = 0;
    bool in_value_ = false; // behind the key, at the top level
};

} // namespace

Json parse_json(const std::string &text)
{
    int deepest = 0;
    Json json = Json::parse(
        text,
        [&deepest](int depth, Json::parse_event_t, Json &) {
            deepest = std::max(deepest, depth);
            return depth <= max_depth;
        },
        false);
    return deepest <= max_depth ? json : Json(Json::value_t::discarded);
}

JsonObjects find_objects(const std::string &text, const std::string &key)
{
    return ObjectFinder(text, key).found();
}

} // namespace podrtt
