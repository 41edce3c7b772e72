// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "node-daemon/options.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::internal::CaptureStderr;
using testing::internal::CaptureStdout;
using testing::internal::GetCapturedStderr;
using testing::internal::GetCapturedStdout;

using Addresses = std::vector<ListenAddress>;

class ConfigFile : public testing::Test
{
protected:
    ~ConfigFile() override { std::remove(path_.c_str()); }

    std::expected<Options, int> parse(const std::string &text, std::vector<const char *> arguments = {})
    {
        std::ofstream(path_) << text;
        arguments.insert(arguments.begin(), {"podrttd", "run", "--config", path_.c_str()});
        return parse_options(static_cast<int>(arguments.size()), arguments.data());
    }

    void expect_refused(const std::string &text, const char *expected)
    {
        CaptureStderr();
        CaptureStdout();
        auto options = parse(text);
        EXPECT_THAT(GetCapturedStderr() + GetCapturedStdout(), HasSubstr(expected));
        EXPECT_FALSE(options) << text;
    }

    std::string path_ =
        testing::TempDir() + "podrttd-" + std::to_string(getpid()) + ".json"; // cases run side by side
};

TEST_F(ConfigFile, HasTheOptionsNames)
{
    auto options = parse(R"({"pin-path": "/sys/fs/bpf/other", "listen": "0.0.0.0:1", "icmp": true,
                             "max-flows": 2048, "attach": "tcx", "peer": ["redis=10.1.2.0/24", "db=fd00::/8"]})");
    ASSERT_TRUE(options);
    EXPECT_EQ(options->pin_path, "/sys/fs/bpf/other");
    EXPECT_EQ(options->run.listen, (Addresses{{"0.0.0.0", "1"}}));
    EXPECT_TRUE(options->run.icmp);
    EXPECT_EQ(options->run.datapath.flows, 2048u);
    EXPECT_EQ(options->run.attach, PODRTT_ATTACH_TCX);
    ASSERT_EQ(options->run.peers.size(), default_peers().size() + 2);
    EXPECT_EQ(options->run.peers.back().name, "db");
}

TEST_F(ConfigFile, MayHaveAnEmptyList)
{
    auto options = parse(R"({"peer": []})");
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.peers.size(), default_peers().size());
}

TEST_F(ConfigFile, CountsLessThanTheCommandLine)
{
    auto options = parse(R"({"listen": "0.0.0.0:1"})", {"--listen", "127.0.0.1:2"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.listen, (Addresses{{"127.0.0.1", "2"}}));
}

TEST_F(ConfigFile, WithMistakesIsRefusedByName)
{
    expect_refused(R"({"lissten": "x"})", "lissten");
    expect_refused(R"({"peer": "redis=10.1.2.1/24"})", "beyond the prefix");
    expect_refused(R"({"max-flows": 5})", "max-flows");
    expect_refused(R"({"max-flows": {"a": 1}})", "max-flows");
    expect_refused(R"({"attach": "elsewhere"})", "attach");
    expect_refused(R"({"icmp": "perhaps"})", "icmp");
    expect_refused(R"({"level": ["pod", "namespace"]})", "level");
    expect_refused(R"({"listen": ["127.0.0.1:1", ":99999"]})", "from 1 to 65535");
    expect_refused(R"({"grace-period": "soon"})", "grace-period");
    expect_refused(R"({"attach": 1})", "attach");
    expect_refused(R"(["listen"])", "keys and values");
    expect_refused(R"({"listen": )", "no YAML");
}

TEST_F(ConfigFile, WithSeveralMistakesTellsOfAll)
{
    const char *text = "lissten: x\npeer: [redis=10.1.2.1/24]\nmax-flows: 5\n";
    for (const char *expected : {"lissten: there is no such option", "beyond the prefix", "max-flows"})
        expect_refused(text, expected);
}

TEST_F(ConfigFile, MayBeYaml)
{
    auto options =
        parse("listen: 0.0.0.0:1  # all\nicmp: true\npeer:\n  - redis=10.1.2.0/24\nmax-pods: 7\n");
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.listen, (Addresses{{"0.0.0.0", "1"}}));
    EXPECT_TRUE(options->run.icmp);
    EXPECT_EQ(options->run.series.max_pods, 7u);
    EXPECT_EQ(options->run.peers.back().name, "redis");
}

TEST_F(ConfigFile, ThatIsMissingIsRefusedByName)
{
    CaptureStderr();
    CaptureStdout();
    const char *arguments[] = {"podrttd", "run", "--config", "/nonexistent/podrttd.json"};
    EXPECT_FALSE(parse_options(4, arguments));
    EXPECT_THAT(GetCapturedStderr() + GetCapturedStdout(), HasSubstr("/nonexistent/podrttd.json"));
}

} // namespace
} // namespace podrtt
