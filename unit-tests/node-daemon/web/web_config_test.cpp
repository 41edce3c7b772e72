// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config.h"

#include <gmock/gmock.h>
#include <gnutls/gnutls.h>
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
    EXPECT_EQ(config->tls->certificate.file, path_);
    EXPECT_EQ(config->tls->priorities, "NORMAL:-VERS-ALL:+VERS-TLS1.3:%SERVER_PRECEDENCE");
}

// Whatever a file asks for of versions, ciphers and curves is something that GnuTLS knows.
void expect_priorities(const Result<WebConfig> &config, const char *expected)
{
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->tls->priorities, expected);
    gnutls_priority_t priority = nullptr;
    EXPECT_EQ(gnutls_priority_init(&priority, config->tls->priorities.c_str(), nullptr), GNUTLS_E_SUCCESS);
    gnutls_priority_deinit(priority);
}

TEST_F(WebConfigFile, ChoosesVersionsCiphersAndCurvesByGosWords)
{
    const std::string tls = "tls_server_config:\n  cert: x\n  key: y\n  ";
    expect_priorities(read(tls + "max_version: TLS12\n  min_version: TLS11\n"),
                      "NORMAL:-VERS-ALL:+VERS-TLS1.2:+VERS-TLS1.1:%SERVER_PRECEDENCE");
    expect_priorities(
        read(tls + "prefer_server_cipher_suites: false\n  curve_preferences: [X25519, CurveP384]\n"),
        "NORMAL:-GROUP-ALL:+GROUP-X25519:+GROUP-SECP384R1:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2");
    expect_priorities(read(tls + "cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"),
                      "NORMAL:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+ECDHE-RSA:+AES-256-GCM:+AEAD:-VERS-ALL:"
                      "+VERS-TLS1.3:+VERS-TLS1.2:%SERVER_PRECEDENCE");
    // TLS 1.3 has none of this kind.
    expect_priorities(read(tls + "cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n"),
                      "NORMAL:-KX-ALL:-CIPHER-ALL:-MAC-ALL:+RSA:+AES-128-CBC:+SHA1:-VERS-ALL:+VERS-TLS1.2:"
                      "%SERVER_PRECEDENCE");
    expect_refused(tls + "cipher_suites: TLS_AES_128_GCM_SHA256\n", "must be a list");
    expect_refused(tls + "min_version: TLS13\n  cipher_suites: [TLS_RSA_WITH_AES_128_CBC_SHA]\n",
                   "nothing to speak");
    expect_refused(tls + "cipher_suites: [TLS_NULL]\n", "TLS_NULL");
    expect_refused(tls + "curve_preferences: [CurveP257]\n", "CurveP257");
    expect_refused(tls + "min_version: TLS13\n  max_version: TLS12\n", "beyond");
    expect_refused(tls + "min_version: 1.3\n", "TLS13");
}

TEST_F(WebConfigFile, AsksForClientsCertificates)
{
    const std::string tls = "tls_server_config:\n  cert: x\n  key: y\n  ";
    auto config = read(tls + "client_ca: z\n  client_auth_type: RequireAndVerifyClientCert\n"
                             "  client_allowed_sans: [a.example, 10.0.0.1]\n");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->tls->client_auth, ClientAuth::require_and_verify);
    EXPECT_EQ(config->tls->client_names, (std::vector<std::string>{"a.example", "10.0.0.1"}));
    EXPECT_TRUE(read(tls + "client_auth_type: RequestClientCert\n"));
    EXPECT_TRUE(read(tls + "client_auth_type: RequireAnyClientCert\n"));
    EXPECT_TRUE(read(tls + "client_auth_type: VerifyClientCertIfGiven\n")); // by whom the system believes
    expect_refused(tls + "client_ca: z\n", "client_auth_type");
    expect_refused(tls + "client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n",
                   "client_allowed_sans");
    expect_refused(tls + "client_auth_type: RequireAnyClientCert\n  client_allowed_sans: []\n", "nobody");
    expect_refused(tls + "cert_file: /dev/null\n", "either");
}

TEST_F(WebConfigFile, MayHoldEmptySections)
{
    auto config =
        read("tls_server_config:\nbasic_auth_users: {}\nhttp_server_config:\n  headers:\nrate_limit: {}\n");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_FALSE(config->tls);
}

TEST_F(WebConfigFile, LimitsRequestsAndAddsHeaders)
{
    auto config = read("rate_limit: {interval: 250ms, burst: 3}\n"
                       "http_server_config: {headers: {X-Frame-Options: deny, X-XSS-Protection: ''}}\n");
    ASSERT_TRUE(config) << config.error().message();
    EXPECT_EQ(config->rate_limit, (RateLimitConfig{std::chrono::milliseconds(250), 3}));
    EXPECT_EQ(config->headers, (std::map<std::string, std::string>{{"X-Frame-Options", "deny"}}));
    expect_refused("rate_limit: {interval: 5}", "rate_limit.interval");
    expect_refused("rate_limit: {interval: 3h, burst: 1000000}", "up to 1h");
    expect_refused("rate_limit: {interval: 1s, burst: -1}", "rate_limit.burst");
    expect_refused("http_server_config: {headers: {X-Frame-Options: maybe}}", "X-Frame-Options");
    expect_refused("http_server_config: {headers: {X-Content-Type-Options: sniff}}",
                   "X-Content-Type-Options");
    expect_refused("http_server_config: {headers: {Server: x}}", "http_server_config.headers.Server");
    expect_refused("http_server_config: {headers: {X-XSS-Protection: \"a\\r\\nSet-Cookie: b\"}}",
                   "one line");
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
    EXPECT_TRUE(is_user(*config, "bASIC YW5uYTpzZWNyZXQ="));
}

} // namespace
} // namespace podrtt
