// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// JSON of others: bounded in depth, and edited or handed on as text, so that it stays what it was to
// the byte.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace podrtt
{

// Discarded if it is no JSON, or nested so deeply that copying or writing it would exhaust the stack.
nlohmann::json parse_json(const std::string &text);

// In one line, or indented. What is not UTF-8 is replaced: one name must not hide everything else.
template <typename Json>
std::string to_text(const Json &json, int indent = -1)
{
    return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

struct JsonSpan {
    std::size_t begin;
    std::size_t end; // behind it

    std::string of(const std::string &text) const { return text.substr(begin, end - begin); }
};

struct JsonObjects {
    std::vector<JsonSpan> spans;
    bool in_list = false;
    bool complete = true; // the text is JSON, and the value is nothing but objects
};

// Where in the text the object stands that is the value of `key` at the top level, or the objects that are
// the elements of that value; of the last value if the key is there twice, as parsers have it.
JsonObjects find_objects(const std::string &text, const std::string &key);

} // namespace podrtt
