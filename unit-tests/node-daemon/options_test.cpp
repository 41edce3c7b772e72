// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

std::expected<Options, int> parse(std::vector<const char *> arguments)
{
    arguments.insert(arguments.begin(), "podrttd");
    return parse_options(static_cast<int>(arguments.size()), arguments.data());
}

TEST(Options, HaveDefaults)
{
    auto options = parse({"run"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->subcommand, Subcommand::run);
    EXPECT_EQ(options->run.listen, (Addresses{{"127.0.0.1", "9435"}}));
    EXPECT_EQ(options->pin_path, "/sys/fs/bpf/podrtt");
    EXPECT_EQ(options->run.grace_period.count(), 300);
    EXPECT_EQ(options->run.datapath.flows, 65536u);
    EXPECT_EQ(options->run.peers.size(), default_peers().size());
}

TEST(Options, AreRead)
{
    auto options =
        parse({"run", "--listen", "0.0.0.0:1", "--pin-path", "/sys/fs/bpf/x", "--peer", "a=10.0.0.0/8",
               "--peer", "b=fd00::/8", "--grace-period", "7", "--max-flows", "2048"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.listen, (Addresses{{"0.0.0.0", "1"}}));
    EXPECT_EQ(options->pin_path, "/sys/fs/bpf/x");
    EXPECT_EQ(options->run.grace_period.count(), 7);
    EXPECT_EQ(options->run.datapath.flows, 2048u);
    ASSERT_EQ(options->run.peers.size(), default_peers().size() + 2);
    EXPECT_EQ(options->run.peers.back().name, "b");
}

TEST(Options, SayWhatIsToldOfSinglePods)
{
    auto usual = parse({"run"});
    ASSERT_TRUE(usual);
    EXPECT_TRUE(usual->run.series.has_pods_of(PODRTT_KIND_RESPONSE));
    EXPECT_FALSE(usual->run.series.has_pods_of(PODRTT_KIND_HANDSHAKE));
    EXPECT_EQ(usual->run.series.pod_bounds, (Bounds{-12, -10, -8, -6, -4, -2, 0}));

    auto chosen = parse({"run", "--pod-metrics", "rtt,floor", "--pod-buckets", "1s,1ms,1000us,15us"});
    ASSERT_TRUE(chosen);
    EXPECT_TRUE(chosen->run.series.has_pods_of(PODRTT_KIND_DATA));
    EXPECT_TRUE(chosen->run.series.has_pods_of(PODRTT_KIND_FLOOR));
    EXPECT_FALSE(chosen->run.series.has_pods_of(PODRTT_KIND_RESPONSE));
    EXPECT_EQ(chosen->run.series.pod_bounds, (Bounds{-16, -10, 0}));

    auto everything = parse({"run", "--pod-metrics", "all", "--pod-buckets", "all"});
    ASSERT_TRUE(everything);
    EXPECT_EQ(everything->run.series.pod_kinds, std::nullopt);
    EXPECT_EQ(everything->run.series.pod_bounds, all_bounds());
}

TEST(Options, OfSinglePodsHaveNames)
{
    for (const char *wrong : {"latency", "rtt,latency", "data "}) {
        CaptureStderr();
        EXPECT_FALSE(parse({"run", "--pod-metrics", wrong})) << wrong;
        GetCapturedStderr();
    }
    for (const char *wrong : {"1", "ms", "1m", "-1ms", "0s", "16s", "1us", "nan", "1ms,x", ""}) {
        CaptureStderr();
        EXPECT_FALSE(parse({"run", "--pod-buckets", wrong})) << wrong;
        EXPECT_THAT(GetCapturedStderr(), HasSubstr("--pod-buckets")) << wrong;
    }
}

TEST(Options, SayHowMuchIsTold)
{
    auto all = parse({"run"});
    ASSERT_TRUE(all);
    EXPECT_TRUE(all->run.series.pods);
    EXPECT_TRUE(all->run.series.peers);
    EXPECT_EQ(all->run.series.leg, std::nullopt);
    auto less = parse({"run", "--level", "namespace", "--leg", "pod", "--no-peers"});
    ASSERT_TRUE(less);
    EXPECT_FALSE(less->run.series.pods);
    EXPECT_FALSE(less->run.series.peers);
    EXPECT_EQ(less->run.series.leg, PODRTT_LEG_POD);
}

TEST(Options, AreThoseOfExporters)
{
    auto options = parse({"run", "--web.listen-address", ":9435", "--listen", "[::1]:1", "--log-level",
                          "warn", "--log-format", "json"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.listen, (Addresses{{"", "9435"}, {"::1", "1"}}));
    EXPECT_EQ(options->run.log_level, "warn");
    EXPECT_TRUE(options->run.json_log);
}

TEST(Options, TakeDurationsWithUnits)
{
    auto options = parse(
        {"run", "--grace-period", "5m", "--namespace-grace-period", "1h30m", "--sample-interval", "10ms"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.grace_period.count(), 300);
    EXPECT_EQ(options->run.namespace_grace_period.count(), 5400);
    EXPECT_EQ(options->run.datapath.sample_interval.count(), 10);
    options = parse({"run", "--grace-period", "1500ms", "--sample-interval", "20"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->run.grace_period.count(), 2);
    EXPECT_EQ(options->run.datapath.sample_interval.count(), 20);
    options = parse({"uninstall", "--wait", "0"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->install.wait.count(), 0);
}

TEST(Options, PinPathMayStandBeforeTheSubcommand)
{
    auto options = parse({"--pin-path", "/sys/fs/bpf/x", "top", "--json"});
    ASSERT_TRUE(options);
    EXPECT_EQ(options->subcommand, Subcommand::top);
    EXPECT_EQ(options->pin_path, "/sys/fs/bpf/x");
    EXPECT_TRUE(options->top.json);
    EXPECT_TRUE(options->top.once);
}

TEST(Options, HelpSucceeds)
{
    CaptureStdout();
    auto options = parse({"--help"});
    EXPECT_THAT(GetCapturedStdout(), HasSubstr("run"));
    ASSERT_FALSE(options);
    EXPECT_EQ(options.error(), 0);
}

struct Bad {
    const char *name;
    std::vector<const char *> arguments;
    const char *expected;
};

class BadOptions : public testing::TestWithParam<Bad>
{
};

TEST_P(BadOptions, AreRefusedByName)
{
    CaptureStderr();
    CaptureStdout();
    auto options = parse(GetParam().arguments);
    EXPECT_THAT(GetCapturedStderr() + GetCapturedStdout(), HasSubstr(GetParam().expected));
    ASSERT_FALSE(options);
    EXPECT_EQ(options.error(), 2);
}

INSTANTIATE_TEST_SUITE_P(
    , BadOptions,
    testing::Values(
        Bad{"no_subcommand", {}, "subcommand"},
        Bad{"unknown_option", {"run", "--lissten", "x"}, "--lissten"},
        Bad{"bad_peer", {"run", "--peer", "x=10.0.0.1/8"}, "beyond the prefix"},
        Bad{"negative_grace_period", {"run", "--grace-period", "-1"}, "--grace-period"},
        Bad{"too_few_flows", {"run", "--max-flows", "5"}, "--max-flows"},
        Bad{"unknown_command", {"rum", "--listen", ":1"}, "there is no command rum; see podrttd --help"},
        Bad{"unknown_command_after_an_option", {"--pin-path", "/x", "rum"}, "there is no command rum"},
        Bad{"port_out_of_range", {"run", "--listen", "127.0.0.1:99999"}, "from 1 to 65535"},
        Bad{"grace_period_in_weeks", {"run", "--grace-period", "1w"}, "no duration such as"},
        Bad{"grace_period_too_long", {"run", "--grace-period", "8d"}, "not from 0s to 7d"},
        Bad{"attach_by_number", {"run", "--attach", "1"}, "--attach"},
        Bad{"flows_of_a_leg", {"stream", "--kind", "flow", "--leg", "network"}, "--kind flow"},
        Bad{"flows_of_a_leg_twice", {"stream", "--kind", "flow,flow", "--leg", "pod"}, "--kind flow"},
        Bad{"flows_with_a_time", {"stream", "--kind", "flow", "--slower-than", "1ms"}, "--kind flow"},
        Bad{"flows_in_ppviz", {"watch", "eth0", "--kind", "flow", "-F", "ppviz"}, "--kind flow"},
        Bad{"log_level", {"run", "--log-level", "loud"}, "--log-level"}),
    [](const auto &row) { return row.param.name; });

} // namespace
} // namespace podrtt
