// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/json_text.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

std::vector<std::string> objects(const std::string &text)
{
    std::vector<std::string> found;
    for (const JsonSpan &span : find_objects(text, "key").spans)
        found.push_back(span.of(text));
    return found;
}

using Objects = std::vector<std::string>;

TEST(JsonObjects, AreFoundToTheByte)
{
    EXPECT_EQ(objects(R"({"a":{"key":{}}, "key" : { "key":[{}] , "n":1.50 } ,"b":{}})"),
              Objects{R"({ "key":[{}] , "n":1.50 })"});
    EXPECT_EQ(objects(R"({"key":[ {"a":"}"},{} ], "b":[{}]})"), (Objects{R"({"a":"}"})", "{}"}));
    EXPECT_EQ(objects(R"({"key":[{"a":1}],"key":{"b":2}})"), Objects{R"({"b":2})"});
    EXPECT_EQ(objects(R"([{"key":{}}])"), Objects{});
}

TEST(JsonObjects, AreIncompleteWhereSomethingElseIsAmongThem)
{
    for (const char *value : {"1", "null", "\"{}\"", "[{},1]", "[[{}]]", "[{}", "{} 1"})
        EXPECT_FALSE(find_objects("{\"key\":" + std::string(value) + "}", "key").complete) << value;
    EXPECT_TRUE(find_objects("{}", "key").complete);
    EXPECT_TRUE(find_objects(R"({"key":[]})", "key").complete);
}

TEST(Json, TooDeepIsRefused)
{
    auto nested = [](int depth) { return std::string(depth, '[') + std::string(depth, ']'); };
    EXPECT_TRUE(parse_json(nested(400)).is_array());
    EXPECT_TRUE(parse_json(nested(200'000)).is_discarded());
    EXPECT_TRUE(parse_json("{").is_discarded());
}

} // namespace
} // namespace podrtt
