// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "bpf/user/pod.h"
#include "unit-tests/support/captures.h"

namespace podrtt::cni
{
namespace
{

using testing::HasSubstr;

Environment add_environment()
{
    return {{"CNI_COMMAND", "ADD"},
            {"CNI_CONTAINERID", "0123abc"},
            {"CNI_NETNS", "/run/netns/cni-1"},
            {"CNI_IFNAME", "eth0"},
            {"CNI_PATH", "/opt/cni/bin"}};
}

const std::string good_config = R"({"cniVersion":"1.0.0","name":"podnet","type":"podrtt","prevResult":{}})";

TEST(Captures, OfRealRuntimesAreAllUnderstood)
{
    for (const auto &capture : captures()) {
        auto parameters = parse_parameters(capture.environment);
        ASSERT_TRUE(parameters) << capture.name << ": " << parameters.error().message;
        if (parameters->command == Command::version)
            continue;
        auto config = parse_config(capture.config, parameters->command);
        ASSERT_TRUE(config) << capture.name << ": " << config.error().message;
    }
}

TEST(Captures, OfContainerdSayWhoThePodIs)
{
    for (const auto &capture : captures()) {
        if (!capture.name.starts_with("containerd-1.7.24") ||
            capture.environment.at("CNI_COMMAND") != "ADD")
            continue;
        auto parameters = parse_parameters(capture.environment);
        ASSERT_TRUE(parameters) << capture.name;
        auto pod = make_pod(
            {parameters->args, parameters->container_id, parameters->ifname, parameters->netns, ""}, 0);
        ASSERT_TRUE(pod) << capture.name;
        EXPECT_STREQ(pod->name_space, "default");
        EXPECT_THAT(capture.environment.at("CNI_ARGS"),
                    HasSubstr("K8S_POD_NAME=" + std::string(pod->name)));
        EXPECT_THAT(capture.environment.at("CNI_ARGS"), HasSubstr("K8S_POD_UID=" + std::string(pod->uid)));
        EXPECT_EQ(pod->container_id, capture.environment.at("CNI_CONTAINERID"));
    }
}

struct EnvironmentRule {
    const char *name;
    const char *variable;
    const char *value; // nullptr: not set
    const char *expected;
};

class BadEnvironment : public testing::TestWithParam<EnvironmentRule>
{
};

TEST_P(BadEnvironment, IsRefusedWithCode4)
{
    Environment environment = add_environment();
    environment.erase(GetParam().variable);
    if (GetParam().value)
        environment[GetParam().variable] = GetParam().value;
    auto parameters = parse_parameters(environment);
    ASSERT_FALSE(parameters);
    EXPECT_EQ(parameters.error().code, Code::invalid_environment);
    EXPECT_THAT(parameters.error().message, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    , BadEnvironment,
    testing::Values(EnvironmentRule{"unknown_command", "CNI_COMMAND", "MOVE", "MOVE"},
                    EnvironmentRule{"no_container", "CNI_CONTAINERID", nullptr, "[CNI_CONTAINERID]"},
                    EnvironmentRule{"no_netns", "CNI_NETNS", "", "[CNI_NETNS]"},
                    EnvironmentRule{"no_ifname", "CNI_IFNAME", nullptr, "[CNI_IFNAME]"},
                    EnvironmentRule{"no_path", "CNI_PATH", nullptr, "[CNI_PATH]"},
                    EnvironmentRule{"container_with_slash", "CNI_CONTAINERID", "a/b", "CNI_CONTAINERID"},
                    EnvironmentRule{"container_with_leading_dot", "CNI_CONTAINERID", ".a",
                                    "CNI_CONTAINERID"},
                    EnvironmentRule{"ifname_too_long", "CNI_IFNAME", "abcdefghijklmnop", "CNI_IFNAME"},
                    EnvironmentRule{"ifname_with_slash", "CNI_IFNAME", "eth/0", "CNI_IFNAME"},
                    EnvironmentRule{"ifname_dots", "CNI_IFNAME", "..", "CNI_IFNAME"}),
    [](const auto &row) { return row.param.name; });

TEST(Environment, AllThatIsMissingIsNamedAtOnce)
{
    auto parameters = parse_parameters({{"CNI_COMMAND", "ADD"}});
    ASSERT_FALSE(parameters);
    EXPECT_EQ(parameters.error().message,
              "required env variables [CNI_CONTAINERID,CNI_NETNS,CNI_IFNAME,CNI_PATH] missing");
}

TEST(Environment, DelNeedsNoNetns)
{
    Environment environment = add_environment();
    environment["CNI_COMMAND"] = "DEL";
    environment["CNI_NETNS"] = "";
    EXPECT_TRUE(parse_parameters(environment));
}

struct ConfigRule {
    const char *name;
    Command command;
    const char *config;
    Code code;
    const char *expected;
};

class BadConfig : public testing::TestWithParam<ConfigRule>
{
};

TEST_P(BadConfig, IsRefusedWithTheSpecificationsCode)
{
    auto config = parse_config(GetParam().config, GetParam().command);
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, GetParam().code);
    EXPECT_THAT(config.error().message + " " + config.error().details, HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    , BadConfig,
    testing::Values(
        ConfigRule{"empty", Command::add, "", Code::decoding_failure, "JSON"},
        ConfigRule{"cut", Command::add, R"({"cniVersion":"1.0.)", Code::decoding_failure, "JSON"},
        ConfigRule{"array", Command::add, "[]", Code::decoding_failure, "JSON"},
        ConfigRule{"check_without_version", Command::check, R"({"name":"n"})", Code::incompatible_version,
                   "0.1.0"},
        ConfigRule{"version_of_wrong_type", Command::add, R"({"cniVersion":1,"name":"n"})",
                   Code::incompatible_version, "1"},
        ConfigRule{"no_name", Command::add, R"({"cniVersion":"1.0.0"})", Code::invalid_config, "name"},
        ConfigRule{"bad_name", Command::add, R"({"cniVersion":"1.0.0","name":"a/b"})", Code::invalid_config,
                   "name"},
        ConfigRule{"no_previous_result", Command::add, R"({"cniVersion":"1.0.0","name":"n"})",
                   Code::invalid_config, "prevResult"},
        ConfigRule{"check_before_its_version", Command::check, R"({"cniVersion":"0.3.1","name":"n"})",
                   Code::incompatible_version, "CHECK"},
        ConfigRule{"gc_before_its_version", Command::gc, R"({"cniVersion":"1.0.0","name":"n"})",
                   Code::incompatible_version, "GC"},
        ConfigRule{"relative_pin_path", Command::add, R"({"cniVersion":"1.0.0","name":"n","pinPath":"x"})",
                   Code::invalid_config, "pinPath"},
        ConfigRule{"timeout_zero", Command::add, R"({"cniVersion":"1.0.0","name":"n","timeoutMs":0})",
                   Code::invalid_config, "timeoutMs"},
        ConfigRule{"timeout_negative", Command::add, R"({"cniVersion":"1.0.0","name":"n","timeoutMs":-5})",
                   Code::invalid_config, "timeoutMs"},
        ConfigRule{"timeout_text", Command::add, R"({"cniVersion":"1.0.0","name":"n","timeoutMs":"5"})",
                   Code::invalid_config, "timeoutMs"},
        ConfigRule{"timeout_too_long", Command::add,
                   R"({"cniVersion":"1.0.0","name":"n","timeoutMs":60000})", Code::invalid_config,
                   "timeoutMs"},
        ConfigRule{"policy", Command::add, R"({"cniVersion":"1.0.0","name":"n","failurePolicy":"Closed"})",
                   Code::invalid_config, "failurePolicy"},
        ConfigRule{"log_level", Command::add, R"({"cniVersion":"1.0.0","name":"n","logLevel":7})",
                   Code::invalid_config, "logLevel"}),
    [](const auto &row) { return row.param.name; });

TEST(Config, HasDefaults)
{
    auto config = parse_config(good_config, Command::add);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->pin_path, "/sys/fs/bpf/podrtt");
    EXPECT_EQ(config->timeout.count(), 500);
    EXPECT_EQ(config->failure_policy, FailurePolicy::open);
}

TEST(Config, EveryVersionIsAccepted)
{
    for (std::string version :
         {"", "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "1.2.0", "2.0.0", "x"})
        for (const Command command : {Command::add, Command::del}) {
            auto config =
                parse_config(R"({"name":"n","prevResult":{},"cniVersion":")" + version + "\"}", command);
            ASSERT_TRUE(config) << version;
            EXPECT_EQ(config->cni_version, version.empty() ? "0.1.0" : version);
            EXPECT_EQ(config->newer, version >= "1.2") << version;
        }
    EXPECT_TRUE(parse_config(R"({"name":"n","prevResult":{}})", Command::add));
    EXPECT_TRUE(parse_config(R"({"name":"n"})", Command::del));
}

TEST(Config, OfANewerVersionAllowsEverything)
{
    for (const Command command : {Command::check, Command::gc, Command::status})
        EXPECT_TRUE(parse_config(R"({"cniVersion":"1.2.0","name":"n","prevResult":{}})", command));
}

TEST(Config, DelPassesOverBadKeysOfOurs)
{
    auto config =
        parse_config(R"({"cniVersion":"1.0.0","name":"n","pinPath":"x","timeoutMs":-1})", Command::del);
    ASSERT_TRUE(config);
    EXPECT_EQ(config->pin_path, "/sys/fs/bpf/podrtt");
}

TEST(Environment, HugeContainerIdIsNoProblem)
{
    Environment environment = add_environment();
    environment["CNI_CONTAINERID"] = std::string(1 << 20, 'a');
    EXPECT_TRUE(parse_parameters(environment));
    environment["CNI_CONTAINERID"] += "/";
    EXPECT_FALSE(parse_parameters(environment));
}

TEST(Config, DelNeedsNoPreviousResult)
{
    EXPECT_TRUE(parse_config(R"({"cniVersion":"0.3.0","name":"azure","type":"podrtt"})", Command::del));
}

TEST(AnswerVersion, IsThatOfTheConfigOrTheNewest)
{
    EXPECT_EQ(answer_version(good_config), "1.0.0");
    EXPECT_EQ(answer_version(R"({"cniVersion":""})"), "0.1.0");
    EXPECT_EQ(answer_version("{}"), "1.1.0");
    EXPECT_EQ(answer_version("nonsense"), "1.1.0");
}

} // namespace
} // namespace podrtt::cni
