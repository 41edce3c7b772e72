// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/conflist.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

struct Golden {
    const char *description;
    const char *before;
    const char *after;
};

void PrintTo(const Golden &golden, std::ostream *out)
{
    *out << golden.description;
}

class Conflist : public testing::TestWithParam<Golden>
{
};

TEST_P(Conflist, IsEditedAndGivenBackToTheByte)
{
    auto added = add_to_conflist(GetParam().before);
    ASSERT_TRUE(added) << added.error().message();
    EXPECT_EQ(*added, GetParam().after);
    EXPECT_EQ(*add_to_conflist(*added), *added);
    auto removed = remove_from_conflist(*added);
    ASSERT_TRUE(removed);
    EXPECT_EQ(*removed, GetParam().before);
    EXPECT_EQ(*remove_from_conflist(*removed), *removed);
}

INSTANTIATE_TEST_SUITE_P(
    , Conflist,
    testing::Values(
        Golden{
            "azure_overlay_with_tabs",
            "{\n\t\"cniVersion\": \"0.3.0\",\n\t\"name\": \"azure\",\n\t\"plugins\": "
            "[\n\t\t{\n\t\t\t\"type\": "
            "\"azure-vnet\",\n\t\t\t\"mode\": \"transparent\",\n\t\t\t\"ipsToRouteViaHost\": "
            "[\"169.254.20.10\"],"
            "\n\t\t\t\"ipam\": {\"type\": \"azure-cns\", \"mode\": \"v4overlay\"},\n\t\t\t\"dns\": "
            "{}\n\t\t},\n"
            "\t\t{\n\t\t\t\"type\": \"portmap\",\n\t\t\t\"capabilities\": {\"portMappings\": true},\n\t\t\t"
            "\"snat\": true\n\t\t}\n\t]\n}\n",
            "{\n\t\"cniVersion\": \"0.3.0\",\n\t\"name\": \"azure\",\n\t\"plugins\": "
            "[\n\t\t{\n\t\t\t\"type\": "
            "\"azure-vnet\",\n\t\t\t\"mode\": \"transparent\",\n\t\t\t\"ipsToRouteViaHost\": "
            "[\"169.254.20.10\"],"
            "\n\t\t\t\"ipam\": {\"type\": \"azure-cns\", \"mode\": \"v4overlay\"},\n\t\t\t\"dns\": "
            "{}\n\t\t},\n"
            "\t\t{\n\t\t\t\"type\": \"portmap\",\n\t\t\t\"capabilities\": {\"portMappings\": true},\n\t\t\t"
            "\"snat\": true\n\t\t},\n\t\t{\"type\":\"podrtt\"}\n\t]\n}\n"},
        Golden{"cilium_alone",
               "{\"cniVersion\":\"0.3.1\",\"name\":\"cilium\",\n \"plugins\":[ {\"type\":\"cilium-cni\"}]}",
               "{\"cniVersion\":\"0.3.1\",\"name\":\"cilium\",\n \"plugins\":[ {\"type\":\"cilium-cni\"}, "
               "{\"type\":\"podrtt\"}]}"},
        Golden{"compact_one_line", R"({"plugins":[{"type":"a"},{"type":"b"}],"name":"n"})",
               R"({"plugins":[{"type":"a"},{"type":"b"},{"type":"podrtt"}],"name":"n"})"},
        Golden{"brackets_and_quotes_in_strings",
               R"({"name":"]}\"[{","plugins":[{"type":"a","x":"]},\\"}] , "y":[1,[2]]})",
               R"({"name":"]}\"[{","plugins":[{"type":"a","x":"]},\\"},{"type":"podrtt"}] , "y":[1,[2]]})"},
        Golden{
            "plugins_elsewhere_too",
            R"({"x":{"plugins":[1]},"name":"n","plugins":[{"plugins":[],"type":"a"}],"z":null})",
            R"({"x":{"plugins":[1]},"name":"n","plugins":[{"plugins":[],"type":"a"},{"type":"podrtt"}],"z":null})"},
        Golden{"carriage_returns",
               "{\r\n\"name\":\"n\",\r\n\"plugins\":[\r\n  {\"type\":\"a\"}\r\n]\r\n}\r\n",
               "{\r\n\"name\":\"n\",\r\n\"plugins\":[\r\n  {\"type\":\"a\"},\r\n  "
               "{\"type\":\"podrtt\"}\r\n]\r\n}\r\n"}),
    [](const auto &test) { return test.param.description; });

TEST(ConflistWithOwnEntry, KeepsTheOperatorsKeys)
{
    const std::string text =
        R"({"name":"n","plugins":[{"type":"a"},{"type":"podrtt","logLevel":"debug"}]})";
    EXPECT_EQ(*add_to_conflist(text), text);
}

TEST(ConflistWithOwnEntry, GetsItOnceAndLast)
{
    EXPECT_EQ(
        *add_to_conflist(R"({"name":"n","plugins":[{"type":"podrtt"},{"type":"a"},{"type":"podrtt"}]})"),
        R"({"name":"n","plugins":[{"type":"a"},{"type":"podrtt"}]})");
    EXPECT_EQ(*add_to_conflist(R"({"name":"n","plugins":[{"type":"a"},{"type":"podrtt"},{"type":"b"}]})"),
              R"({"name":"n","plugins":[{"type":"a"},{"type":"b"},{"type":"podrtt"}]})");
}

TEST(ConflistThatIsNone, IsRefused)
{
    for (const char *text :
         {"", "{", "[]", "null", "{\"name\":\"n\"}", R"({"name":"n","plugins":{}})",
          R"({"name":5,"plugins":[{}]})", R"({"plugins":[{"type":"a"}]})", R"({"name":"n","plugins":[]})",
          R"({"name":"n","plugins":[{"type":"podrtt"}]})", R"({"name":"n","type":"bridge"})",
          R"({"name":"n","plugins":[{"type":"a"})",
          "\xef\xbb\xbf{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}]}"})
        EXPECT_FALSE(add_to_conflist(text)) << text;
}

} // namespace
} // namespace podrtt
