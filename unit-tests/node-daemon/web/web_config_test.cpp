// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

class WebConfigFile : public testing::Test
{
protected:
    ~WebConfigFile() override { std::remove(path_.c_str()); }

    Result<WebConfig> read(const std::string &text)
    {
        std::ofstream(path_) << text;
        return read_web_config(path_);
    }

    void expect_refused(const std::string &text, const char *expected)
    {
        auto config = read(text);
        ASSERT_FALSE(config) << text;
        EXPECT_THAT(config.error().message(), HasSubstr(expected));
    }

    std::string path_ = testing::TempDir() + "web-" + std::to_string(getpid()) + ".yml";
};

// bcrypt of "secret", by libcrypt.
constexpr const char *users = "basic_auth_users:\n"
                              "  anna: $2y$05$JOe1hDjRY2HkO3ynxRXAaOto1KXSddXvzSq.zKouNxF6f1LyzwlHi\n";

TEST_F(WebConfigFile, MayBeEmpty)
{
    auto config = read("");
    ASSERT_TRUE(config);
    EXPECT_FALSE(config->tls);
    EXPECT_TRUE(config->users.empty());
}

TEST_F(WebConfigFile, HasPathsFromItsOwnDirectoryOn)
{
    const std::string name = path_.substr(path_.rfind('/') + 1);
    auto config = read("tls_server_config:\n  cert_file: " + name + "\n  key_file: " + name +
                       "\n  min_version: TLS13\n");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->tls->certificate, path_);
    EXPECT_EQ(config->tls->min_version, TlsVersion::tls13);
}

TEST_F(WebConfigFile, WithMistakesIsRefusedByName)
{
    expect_refused("tls_server_configs: {}", "unknown key \"tls_server_configs\"");
    expect_refused("tls_server_config: {cert_file: /nonexistent.pem}", "/nonexistent.pem");
    expect_refused("tls_server_config: {cert_file: /nonexistent.pem}", "needs cert_file and key_file");
    expect_refused("tls_server_config: {client_auth_type: Perhaps}", "client_auth_type");
    expect_refused("tls_server_config: 5", "tls_server_config");
    expect_refused("basic_auth_users: {anna: secret}", "bcrypt");
    expect_refused("basic_auth_users: [anna]", "basic_auth_users");
    expect_refused("basic_auth_users: {", "read");
    EXPECT_FALSE(read_web_config("/nonexistent.yml"));
}

std::string basic(const char *credentials_base64)
{
    return std::string("Basic ") + credentials_base64;
}

TEST_F(WebConfigFile, KnowsItsUsers)
{
    auto config = read(users);
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_FALSE(is_user(*config, ""));
    EXPECT_FALSE(is_user(*config, "Bearer x"));
    EXPECT_FALSE(is_user(*config, basic("%%%%")));
    EXPECT_FALSE(is_user(*config, basic("YW5uYQ==")));         // anna
    EXPECT_FALSE(is_user(*config, basic("YW5uYTp3cm9uZw=="))); // anna:wrong
    EXPECT_FALSE(is_user(*config, basic("YmVydDpzZWNyZXQ="))); // bert:secret
    EXPECT_TRUE(is_user(*config, basic("YW5uYTpzZWNyZXQ=")));  // anna:secret
}

} // namespace
} // namespace podrtt
