// SPDX-License-Identifier: Apache-2.0
//
// The plugin's protocol, without a kernel: whatever is missing, the runtime gets its
// answer.
#include "cni-plugin/plugin.h"

#include "bpf/podrtt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "unit-tests/support/captures.h"

namespace podrtt::cni
{
namespace
{

using testing::HasSubstr;
using testing::IsEmpty;

struct Answer {
    int status;
    std::string out;
    std::string log;
};

Answer call(const Environment &environment, const std::string &config)
{
    std::ostringstream out, log;
    int status = run(environment, config, out, log);
    return {status, out.str(), log.str()};
}

// Where no daemon has pinned anything.
std::string with_no_pins(const std::string &config)
{
    auto json = nlohmann::ordered_json::parse(config); // prevResult keeps its order
    json["pinPath"] = "/nonexistent/podrtt";
    return json.dump();
}

Environment environment_for(const char *command)
{
    return {{"CNI_COMMAND", command}, {"CNI_CONTAINERID", "0123abc"}, {"CNI_NETNS", "/run/netns/none"},
            {"CNI_IFNAME", "eth0"},   {"CNI_PATH", "/opt/cni/bin"},   {"CNI_ARGS", "K8S_POD_NAME=web-0"}};
}

const std::string azure_config =
    R"({"cniVersion":"0.3.0","name":"azure","type":"podrtt","prevResult":{"cniVersion":"0.3.0",)"
    R"("interfaces":[{"name":"eth0"}],"ips":[{"version":"4","address":"10.244.1.23/24","gateway":"169.254.1.1"}],)"
    R"("routes":[{"dst":"0.0.0.0/0","gw":"169.254.1.1"}],"dns":{}}})";

TEST(Captures, AddAnswersWithPrevResultToTheByte)
{
    int adds = 0;
    for (const auto &capture : captures()) {
        if (capture.environment.at("CNI_COMMAND") != "ADD")
            continue;
        adds++;
        Answer answer = call(capture.environment, with_no_pins(capture.config));
        EXPECT_EQ(answer.status, 0) << capture.name;
        // The same text as stands in the configuration, key order included.
        EXPECT_THAT(capture.config,
                    HasSubstr("\"prevResult\":" + answer.out.substr(0, answer.out.size() - 1)))
            << capture.name;
    }
    EXPECT_GT(adds, 10);
}

TEST(Captures, DelAlwaysSucceedsInSilence)
{
    for (const auto &capture : captures()) {
        if (capture.environment.at("CNI_COMMAND") != "DEL")
            continue;
        Answer answer = call(capture.environment, with_no_pins(capture.config));
        EXPECT_EQ(answer.status, 0) << capture.name;
        EXPECT_THAT(answer.out, IsEmpty()) << capture.name;
        EXPECT_THAT(answer.log, IsEmpty()) << capture.name;
    }
}

TEST(Captures, VersionIsAnswered)
{
    for (const auto &capture : captures()) {
        if (capture.environment.at("CNI_COMMAND") != "VERSION")
            continue;
        Answer answer = call(capture.environment, capture.config);
        EXPECT_EQ(answer.status, 0);
        EXPECT_EQ(answer.out,
                  R"({"cniVersion":"1.0.0","supportedVersions":["0.1.0","0.2.0","0.3.0","0.3.1","0.4.0",)"
                  R"("1.0.0","1.1.0"]})"
                  "\n");
    }
}

TEST(Add, WithoutADaemonFailsOpenWithOneLine)
{
    Answer answer = call(environment_for("ADD"), with_no_pins(azure_config));
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(Json::parse(answer.out), Json::parse(azure_config)["prevResult"]);
    EXPECT_THAT(answer.log, HasSubstr("/nonexistent/podrtt/" PODRTT_LAYOUT_DIR "/pods"));
    EXPECT_EQ(std::ranges::count(answer.log, '\n'), 1);
}

// A large result must not use up the time that the runtime gives: see also the size of the numbers.
TEST(Add, HandsOnAnyPrevResultToTheByte)
{
    std::string many = R"({ "big": 123456789012345678901234567890, "z":1, "a":1.50)";
    for (int i = 0; i < 100'000; i++)
        many += ",\"key" + std::to_string(i) + "\":0";
    many += "}";
    const std::string deep = R"({"a":)" + std::string(5'000, '[') + std::string(5'000, ']') + "}";
    for (const std::string &result : {many, deep}) {
        const Answer answer = call(
            environment_for("ADD"),
            R"({"cniVersion":"1.0.0","name":"n","type":"podrtt","pinPath":"/nonexistent","prevResult":)" +
                result + "}");
        EXPECT_EQ(answer.status, 0);
        EXPECT_TRUE(answer.out == result + "\n");
    }
}

TEST(Add, WithoutADaemonFailsIfThePolicyIsClosed)
{
    Json config = Json::parse(with_no_pins(azure_config));
    config["failurePolicy"] = "closed";
    Answer answer = call(environment_for("ADD"), config.dump());
    EXPECT_EQ(answer.status, 1);
    Json error = Json::parse(answer.out);
    EXPECT_EQ(error["code"], 100);
    EXPECT_EQ(error["cniVersion"], "0.3.0");
    EXPECT_THAT(error["details"].get<std::string>(),
                HasSubstr("/nonexistent/podrtt/" PODRTT_LAYOUT_DIR "/pods"));
}

TEST(Add, WithAHostileNameFailsOpenAndPrintsNoneOfIt)
{
    Environment environment = environment_for("ADD");
    environment["CNI_ARGS"] = "K8S_POD_NAME=\033[2Jx";
    Answer answer = call(environment, azure_config);
    EXPECT_EQ(answer.status, 0);
    EXPECT_EQ(answer.log.find('\033'), std::string::npos);
}

TEST(Status, SucceedsThoughNoDaemonRuns)
{
    Answer answer = call(environment_for("STATUS"), with_no_pins(R"({"cniVersion":"1.1.0","name":"n"})"));
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.out, IsEmpty());
}

TEST(Gc, SucceedsThoughNoDaemonRuns)
{
    Answer answer =
        call(environment_for("GC"),
             with_no_pins(R"({"cniVersion":"1.1.0","name":"n","cni.dev/valid-attachments":[]})"));
    EXPECT_EQ(answer.status, 0);
}

TEST(Errors, AreWrittenAsTheSpecificationSays)
{
    Answer answer = call(environment_for("ADD"), "nonsense");
    EXPECT_EQ(answer.status, 1);
    Json error = Json::parse(answer.out);
    EXPECT_EQ(error["code"], 6);
    EXPECT_TRUE(error.contains("msg"));
    EXPECT_EQ(error["cniVersion"], "1.1.0");
}

TEST(Errors, QuoteWhatIsNotUtf8Harmlessly)
{
    Environment environment = environment_for("ADD");
    environment["CNI_COMMAND"] = "\xff\xfe";
    Answer answer = call(environment, azure_config);
    EXPECT_EQ(answer.status, 1);
    EXPECT_EQ(Json::parse(answer.out)["code"], 4);
}

} // namespace
} // namespace podrtt::cni
