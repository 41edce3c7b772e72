// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/peer_classes.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

struct Good {
    const char *name;
    const char *text;
    const char *peer;
    const char *address; // as IPv6
    unsigned length;
};

class GoodPeer : public testing::TestWithParam<Good>
{
};

TEST_P(GoodPeer, IsRead)
{
    auto prefix = parse_peer(GetParam().text);
    ASSERT_TRUE(prefix) << prefix.error().message();
    EXPECT_EQ(prefix->name, GetParam().peer);
    EXPECT_EQ(prefix->key.prefix_len, GetParam().length);
    char address[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, prefix->key.address, address, sizeof(address));
    EXPECT_STREQ(address, GetParam().address);
}

INSTANTIATE_TEST_SUITE_P(, GoodPeer,
                         testing::Values(Good{"ipv4", "redis=10.1.2.0/24", "redis", "::ffff:10.1.2.0", 120},
                                         Good{"ipv4_host", "db=10.1.2.3", "db", "::ffff:10.1.2.3", 128},
                                         Good{"ipv4_all", "all=0.0.0.0/0", "all", "::ffff:0.0.0.0", 96},
                                         Good{"ipv6", "pod=fd00:1::/32", "pod", "fd00:1::", 32},
                                         Good{"ipv6_host", "db=2001:db8::1", "db", "2001:db8::1", 128},
                                         Good{"ipv6_odd_length", "x=fc00::/7", "x", "fc00::", 7},
                                         Good{"name_characters", "a-b_9=::/0", "a-b_9", "::", 0}),
                         [](const auto &row) { return row.param.name; });

struct Bad {
    const char *name;
    const char *text;
    const char *expected;
};

class BadPeer : public testing::TestWithParam<Bad>
{
};

TEST_P(BadPeer, IsRefusedWithTheReason)
{
    auto prefix = parse_peer(GetParam().text);
    ASSERT_FALSE(prefix);
    EXPECT_THAT(prefix.error().message(), HasSubstr(GetParam().expected));
    EXPECT_THAT(prefix.error().message(), HasSubstr(GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(
    , BadPeer,
    testing::Values(Bad{"empty", "", "NAME=CIDR"}, Bad{"no_name", "=10.0.0.0/8", "name"},
                    Bad{"no_equals", "10.0.0.0/8", "NAME=CIDR"}, Bad{"capital", "Redis=10.0.0.0/8", "name"},
                    Bad{"name_too_long", "abcdefghijklmnopqrstuvwxyz012345=::/0", "31 characters"},
                    Bad{"no_address", "redis=", "is not an IPv4 network"},
                    Bad{"host_name", "redis=redis.local/8", "is not an IPv4 network"},
                    Bad{"ipv4_too_long", "redis=10.0.0.0/33", "0 to 32"},
                    Bad{"ipv6_too_long", "redis=fd00::/129", "0 to 128"},
                    Bad{"empty_length", "redis=10.0.0.0/", "0 to 32"},
                    Bad{"negative", "redis=10.0.0.0/-1", "0 to 32"},
                    Bad{"trailing", "redis=10.0.0.0/8x", "0 to 32"},
                    Bad{"host_bits", "redis=10.0.0.1/8", "beyond the prefix"},
                    Bad{"host_bits_ipv6", "redis=fd00::1/64", "beyond the prefix"}),
    [](const auto &row) { return row.param.name; });

} // namespace
} // namespace podrtt
