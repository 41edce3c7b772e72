// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/basic_auth.h"

#include <crypt.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;
using Verdict = BasicAuth::Verdict;

constexpr const char *right = "Basic cHJvbWV0aGV1czpzZWNyZXQ="; // prometheus:secret
constexpr const char *wrong = "Basic cHJvbWV0aGV1czpndWVzcw==";

std::string hash_of(const char *password)
{
    crypt_data data = {};
    return crypt_r(password, "$2b$04$abcdefghijklmnopqrstuu", &data);
}

class Authentication : public testing::Test
{
protected:
    Verdict ask(const char *authorization, const std::string &peer, std::chrono::milliseconds after = 0ms)
    {
        return auth_.may_ask(config_, authorization, peer, start_ + after);
    }

    void set_password(const char *password)
    {
        WebConfig config;
        config.users["prometheus"] = hash_of(password);
        config_ = std::make_shared<const WebConfig>(std::move(config));
    }

    Authentication() { set_password("secret"); }

    std::shared_ptr<const WebConfig> config_;
    BasicAuth auth_;
    const BasicAuth::Clock::time_point start_ = BasicAuth::Clock::now();
};

TEST_F(Authentication, TakesTheRightPasswordAndRemembersIt)
{
    EXPECT_EQ(ask(right, "a"), Verdict::yes);
    EXPECT_EQ(ask(right, "b"), Verdict::yes);
}

TEST_F(Authentication, AsksForOne)
{
    EXPECT_EQ(ask("", "a"), Verdict::no);
}

TEST_F(Authentication, RefusesAnAddressAfterAWrongOne)
{
    EXPECT_EQ(ask(wrong, "a"), Verdict::no);
    EXPECT_EQ(ask(wrong, "a", 999ms), Verdict::later);
    EXPECT_EQ(ask(wrong, "a", 10s), Verdict::no); // a second after the check, which takes its time
    EXPECT_EQ(ask(right, "b", 10s), Verdict::yes);
    EXPECT_EQ(ask(right, "a", 10s), Verdict::yes); // it is known by now
}

TEST_F(Authentication, TakesAnIpv6NetworkForOneAddress)
{
    EXPECT_EQ(ask(wrong, "2001:db8::1"), Verdict::no);
    EXPECT_EQ(ask(wrong, "2001:db8::ffff:1"), Verdict::later);
    EXPECT_EQ(ask(wrong, "2001:db8:0:1::1"), Verdict::no);
    EXPECT_EQ(ask(wrong, "::ffff:10.0.0.1"), Verdict::no); // of IPv4: each is its own
    EXPECT_EQ(ask(wrong, "::ffff:10.0.0.2"), Verdict::no);
}

TEST_F(Authentication, ForgetsAPasswordThatIsRevoked)
{
    EXPECT_EQ(ask(right, "a"), Verdict::yes);
    set_password("another");
    EXPECT_EQ(ask(right, "a"), Verdict::no);
}

// Guesses that never end, from many addresses, while one who knows it comes for the first time.
TEST_F(Authentication, IsNotLockedByGuessesFromManyAddresses)
{
    constexpr int guessers = 50;
    const auto guess = [&](int address) { return ask(wrong, std::to_string(address), 2s); };
    for (int address = 0; address < guessers; address++)
        EXPECT_EQ(ask(wrong, std::to_string(address)), Verdict::no);
    std::atomic<bool> checking = false, done = false;
    std::jthread guessing([&] {
        for (int address = 0; !done; address = (address + 1) % guessers)
            checking = guess(address) != Verdict::yes;
    });
    while (!checking)
        std::this_thread::yield();
    EXPECT_EQ(ask(right, "somebody"), Verdict::yes);
    done = true;
}

TEST(NoUsers, MeanThatAnybodyMayAsk)
{
    EXPECT_EQ(BasicAuth().may_ask(std::make_shared<const WebConfig>(), "", "a", {}), Verdict::yes);
}

} // namespace
} // namespace podrtt
