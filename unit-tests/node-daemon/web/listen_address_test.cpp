// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

TEST(ListenAddress, IsAHostAndAPort)
{
    EXPECT_EQ(parse_listen_address("127.0.0.1:9435"), (ListenAddress{"127.0.0.1", "9435"}));
    EXPECT_EQ(parse_listen_address("[::1]:1"), (ListenAddress{"::1", "1"}));
    EXPECT_EQ(parse_listen_address("localhost:65535"), (ListenAddress{"localhost", "65535"}));
    EXPECT_EQ(parse_listen_address(":9435"), (ListenAddress{"", "9435"}));
}

TEST(ListenAddress, ThatIsNoneIsNamed)
{
    for (const char *text : {"nonsense", "127.0.0.1", "9435", "[]:1", "::1:9435", "fe80::1", ""}) {
        const auto address = parse_listen_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_THAT(address.error().message(), HasSubstr("must be HOST:PORT"));
        EXPECT_THAT(address.error().message(), HasSubstr(text));
    }
}

TEST(ListenAddress, HasAPortThatExists)
{
    for (const char *text :
         {"127.0.0.1:", ":", ":0", ":65536", ":99999", ":http", ":-1", ":+1", ": 1", ":1x"}) {
        const auto address = parse_listen_address(text);
        ASSERT_FALSE(address) << text;
        EXPECT_THAT(address.error().message(), HasSubstr("from 1 to 65535")) << text;
    }
}

} // namespace
} // namespace podrtt
