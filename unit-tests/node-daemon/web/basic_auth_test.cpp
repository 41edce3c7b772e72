// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/basic_auth.h"

#include <crypt.h>
#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using Verdict = BasicAuth::Verdict;

constexpr const char *right = "Basic cHJvbWV0aGV1czpzZWNyZXQ="; // prometheus:secret
constexpr const char *wrong = "Basic cHJvbWV0aGV1czpndWVzcw==";

class Authentication : public testing::Test
{
protected:
    Authentication() : auth_((prepare(), config_)) {}

    void prepare()
    {
        crypt_data data = {};
        config_.users["prometheus"] = crypt_r("secret", "$2b$04$abcdefghijklmnopqrstuu", &data);
        config_.open_paths = {"/healthz"};
    }

    WebConfig config_;
    BasicAuth auth_;
};

TEST_F(Authentication, TakesTheRightPasswordAndRemembersIt)
{
    EXPECT_EQ(auth_.may_ask("/metrics", right, "a"), Verdict::yes);
    EXPECT_EQ(auth_.may_ask("/metrics", right, "b"), Verdict::yes);
}

TEST_F(Authentication, AsksForOne)
{
    EXPECT_EQ(auth_.may_ask("/metrics", "", "a"), Verdict::no);
    EXPECT_EQ(auth_.may_ask("/healthz", "", "a"), Verdict::yes);
}

TEST_F(Authentication, RefusesAnAddressAfterAWrongOne)
{
    EXPECT_EQ(auth_.may_ask("/metrics", wrong, "a"), Verdict::no);
    EXPECT_EQ(auth_.may_ask("/metrics", wrong, "a"), Verdict::later);
    EXPECT_EQ(auth_.may_ask("/metrics", right, "b"), Verdict::yes);
    EXPECT_EQ(auth_.may_ask("/metrics", right, "a"), Verdict::yes); // it is known by now
}

TEST(NoUsers, MeanThatAnybodyMayAsk)
{
    const WebConfig config;
    EXPECT_EQ(BasicAuth(config).may_ask("/metrics", "", "a"), Verdict::yes);
}

} // namespace
} // namespace podrtt
