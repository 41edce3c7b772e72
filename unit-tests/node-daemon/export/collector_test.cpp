// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/collector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "bpf/user/kinds.h"
#include "node-daemon/counts/peer_classes.h"
#include "node-daemon/counts/retirement.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;

class Metrics : public PinnedMaps
{
protected:
    Metrics() { EXPECT_TRUE(set_peers(*maps_, default_peers())); }

    AttachStates states_;
    Repairs repairs_;

    std::string text(const SeriesOptions &options = {})
    {
        TextExposition exposition;
        Collector(pins_, *maps_, states_, repairs_, options).collect(exposition);
        std::string text;
        for (const auto &part : exposition.take_parts())
            text += part;
        return text;
    }
};

TEST_F(Metrics, OfAPodHaveItsNamesAndThePeersClass)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD, PODRTT_KIND_DATA, 1), samples(3)));
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_rtt_seconds_count{namespace=\"shop\",pod=\"web-0\",leg="
                                  "\"pod\",peer=\"private\"} 3\n"));
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_rtt_seconds_sum{namespace=\"shop\",pod=\"web-0\",leg=\"pod\","
                                  "peer=\"private\"} 3e-06\n"));
    EXPECT_THAT(
        text(),
        HasSubstr(
            "podrtt_namespace_tcp_rtt_seconds_count{namespace=\"shop\",leg=\"pod\",peer=\"private\"} 3\n"));
}

TEST_F(Metrics, AreLeftOutAsWanted)
{
    auto web = pod("shop", "web-0");
    web.host_ifindex = 900;
    ASSERT_TRUE(maps_->pods.update(5, web));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD, PODRTT_KIND_DATA, 0), samples(2)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD, PODRTT_KIND_DATA, 1), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_DATA, 1), samples(4)));

    const std::string no_pods = text({.pods = false});
    EXPECT_THAT(no_pods, Not(HasSubstr("podrtt_tcp_rtt_seconds_count{")));
    EXPECT_THAT(no_pods,
                HasSubstr("podrtt_namespace_tcp_rtt_seconds_count{namespace=\"shop\",leg=\"pod\",peer="
                          "\"internet\"} 2\n"));
    EXPECT_THAT(no_pods, HasSubstr("podrtt_pod_info{"));

    const std::string one_leg = text({.leg = PODRTT_LEG_NETWORK});
    EXPECT_THAT(one_leg, Not(HasSubstr("leg=\"pod\"")));
    EXPECT_THAT(one_leg, HasSubstr("leg=\"network\",peer=\"private\"} 4\n"));

    EXPECT_THAT(
        text({.peers = false}),
        HasSubstr("podrtt_tcp_rtt_seconds_count{namespace=\"shop\",pod=\"web-0\",leg=\"pod\"} 5\n"));
}

TEST_F(Metrics, FoldBucketsExactlyAtPowersOfTwo)
{
    // Bucket 80 ends at 2^-10 s, which is a classic bound, and 81 begins there.
    podrtt_histogram histogram = samples(2, 80);
    histogram.bucket[0] = 1;
    histogram.bucket[81] = 4;
    histogram.bucket[PODRTT_BUCKETS - 1] = 8; // beyond the largest classic bound
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5), histogram));
    const std::string series = "podrtt_tcp_rtt_seconds_bucket{namespace=\"shop\",pod=\"web-0\",leg="
                               "\"network\",peer=\"internet\",le=\"";
    EXPECT_THAT(text(), HasSubstr(series + "1.52587890625e-05\"} 1\n"));
    EXPECT_THAT(text(), HasSubstr(series + "0.00048828125\"} 1\n"));
    EXPECT_THAT(text(), HasSubstr(series + "0.0009765625\"} 3\n"));
    EXPECT_THAT(text(), HasSubstr(series + "0.001953125\"} 7\n"));
    EXPECT_THAT(text(), HasSubstr(series + "8\"} 7\n"));
    EXPECT_THAT(text(), HasSubstr(series + "+Inf\"} 15\n"));
}

TEST_F(Metrics, KeepKindsApart)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_DATA), samples(1)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE), samples(2)));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_FLOOR), samples(3)));
    const std::string labels =
        "_count{namespace=\"shop\",pod=\"web-0\",leg=\"network\",peer=\"internet\"} ";
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_rtt_seconds" + labels + "1\n"));
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_handshake_seconds" + labels + "2\n"));
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_min_rtt_seconds" + labels + "3\n"));
}

// A pod of a StatefulSet and its predecessor have one name: two series of the same
// labels would make Prometheus refuse the whole scrape.
TEST_F(Metrics, OfOneNameAreOneSeries)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("data", "db-0", 1)));
    ASSERT_TRUE(maps_->pods.update(6, pod("data", "db-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5), samples(3)));
    ASSERT_TRUE(maps_->histograms.update(key(6), samples(4)));
    EXPECT_THAT(text(), HasSubstr("podrtt_tcp_rtt_seconds_count{namespace=\"data\",pod=\"db-0\",leg="
                                  "\"network\",peer=\"internet\"} 7\n"));
}

TEST_F(Metrics, NameOfAPodAndItsPredecessorIsOneRow)
{
    auto old = pod("data", "db-0", 1);
    old.host_ifindex = 900;
    std::string("old").copy(old.uid, sizeof(old.uid));
    auto now = pod("data", "db-0");
    now.host_ifindex = 901;
    std::string("new").copy(now.uid, sizeof(now.uid));
    ASSERT_TRUE(maps_->pods.update(6, old)); // ids do not tell which is the later
    ASSERT_TRUE(maps_->pods.update(5, now));
    EXPECT_THAT(text(), HasSubstr("uid=\"new\""));
    EXPECT_THAT(text(), Not(HasSubstr("uid=\"old\"")));
}

TEST_F(Metrics, NameEveryPod)
{
    auto named = pod("shop", "web-0");
    named.host_ifindex = 900;
    std::string("uid-1").copy(named.uid, sizeof(named.uid));
    std::string("azv1").copy(named.host_ifname, sizeof(named.host_ifname));
    ASSERT_TRUE(maps_->pods.update(5, named));
    EXPECT_THAT(text(),
                HasSubstr("podrtt_pod_info{namespace=\"shop\",pod=\"web-0\",uid=\"uid-1\",container_id=\"" +
                          std::string(named.container_id) +
                          "\","
                          "interface=\"eth0\",host_interface=\"azv1\"} 1\n"));
}

TEST_F(Metrics, CountWhatWasLeftOut)
{
    maps_->add_dropped(PODRTT_DROP_FRAGMENT, 12);
    EXPECT_THAT(text(), HasSubstr("podrtt_ignored_packets_total{reason=\"fragment\"} 12\n"));
    EXPECT_THAT(text(), HasSubstr("podrtt_dropped_samples_total{reason=\"stale\"} 0\n"));
}

TEST_F(Metrics, WithoutPodsHaveNoEmptyFamilies)
{
    EXPECT_THAT(text(), Not(HasSubstr("podrtt_tcp_rtt_seconds")));
    EXPECT_THAT(text(), HasSubstr("podrtt_build_info{version="));
}

TEST_F(Metrics, PeerClassesKeepTheirIndexOverChanges)
{
    ASSERT_TRUE(set_peers(*maps_, {*parse_peer("redis=10.0.0.0/8")}));
    ASSERT_TRUE(set_peers(*maps_, {*parse_peer("kafka=10.0.0.0/8")}));
    auto names = peer_names(*maps_);
    ASSERT_TRUE(names);
    EXPECT_EQ(std::vector<std::string>(names->begin(), names->begin() + 4),
              (std::vector<std::string>{"internet", "private", "redis", "kafka"}));
    auto index = maps_->peers.lookup(parse_peer("x=10.0.0.0/8")->key);
    ASSERT_TRUE(index && *index);
    EXPECT_EQ(**index, 3u);
    EXPECT_EQ(maps_->peers.keys()->size(), 1u); // the prefixes of before are gone
}

TEST_F(Metrics, CountConnectionsByMatching)
{
    podrtt_histogram counts = {};
    counts.bucket[PODRTT_MATCHING_TIMESTAMPS] = 5;
    counts.bucket[PODRTT_MATCHING_NONE] = 2;
    counts.bucket[PODRTT_MATCHING_NONE + PODRTT_PEER_PARTS - 1] = 1;
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_COUNTS), counts));
    const std::string series = "podrtt_pod_flows_total{namespace=\"shop\",pod=\"web-0\",matching=\"";
    EXPECT_THAT(text(), HasSubstr(series + "timestamps\"} 5\n"));
    EXPECT_THAT(text(), HasSubstr(series + "sequence\"} 0\n"));
    EXPECT_THAT(text(), HasSubstr(series + "none\"} 3\n"));
    EXPECT_THAT(text(), Not(HasSubstr("_bucket")));
}

TEST_F(Metrics, CountWhatBecomesOfConnects)
{
    podrtt_histogram counts = {};
    counts.bucket[bucket_of(PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_BEGUN)] = 7;
    counts.bucket[bucket_of(PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_ANSWERED)] = 5;
    counts.bucket[bucket_of(PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_REFUSED)] = 1;
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_POD, PODRTT_KIND_COUNTS), counts));
    ASSERT_TRUE(maps_->totals.update(
        total_key(pod("shop", "gone"), key(4, PODRTT_LEG_POD, PODRTT_KIND_COUNTS)), counts));
    const std::string all = text();
    for (const auto &[result, of_pod, of_namespace] :
         {std::tuple("begun", 7, 14), std::tuple("answered", 5, 10), std::tuple("refused", 1, 2)}) {
        const std::string labels = "leg=\"pod\",result=\"" + std::string(result) + "\"} ";
        EXPECT_THAT(all, HasSubstr("podrtt_pod_connects_total{namespace=\"shop\",pod=\"web-0\"," + labels +
                                   std::to_string(of_pod) + "\n"));
        EXPECT_THAT(all, HasSubstr("podrtt_namespace_connects_total{namespace=\"shop\"," + labels +
                                   std::to_string(of_namespace) + "\n"));
    }
    EXPECT_THAT(all, Not(HasSubstr("_bucket")));
}

TEST_F(Metrics, CountWhatIsBesideTimesByLeg)
{
    podrtt_histogram counts = {};
    counts.bucket[PODRTT_COUNT_RESENT] = 12;
    counts.bucket[PODRTT_COUNT_DNS_QUERIES] = 18;
    counts.bucket[PODRTT_COUNT_DNS_ANSWERS] = 7;
    counts.bucket[bucket_of(PODRTT_COUNT_DNS_ANSWERS, 3)] = 2;
    counts.bucket[bucket_of(PODRTT_COUNT_DNS_ANSWERS, 5)] = 1;
    counts.bucket[bucket_of(PODRTT_COUNT_DNS_ANSWERS, 6)] = 3;
    counts.bucket[bucket_of(PODRTT_COUNT_DNS_ANSWERS, 15)] = 4;
    counts.bucket[bucket_of(PODRTT_COUNT_DNS_ANSWERS, 16)] = 9; // of something else
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_COUNTS), counts));
    const std::string all = text();
    const std::string labels = "{namespace=\"shop\",pod=\"web-0\",leg=\"network\"";
    const std::string answers = "podrtt_pod_dns_answers_total" + labels + ",rcode=\"";
    EXPECT_THAT(all, HasSubstr(answers + "NOERROR\"} 7\n"));
    EXPECT_THAT(all, HasSubstr(answers + "FORMERR\"} 0\n"));
    EXPECT_THAT(all, HasSubstr(answers + "NXDOMAIN\"} 2\n"));
    EXPECT_THAT(all, HasSubstr(answers + "REFUSED\"} 1\n"));
    EXPECT_THAT(all, HasSubstr(answers + "other\"} 7\n"));
    EXPECT_THAT(all, HasSubstr("podrtt_pod_resent_packets_total" + labels + "} 12\n"));
    EXPECT_THAT(all, HasSubstr("podrtt_pod_dns_queries_total" + labels + "} 18\n"));
    EXPECT_THAT(all,
                HasSubstr("podrtt_namespace_dns_queries_total{namespace=\"shop\",leg=\"network\"} 18\n"));
}

// docs/reference.md, Series: what podrttd run exports of a pod by default. Of all that is timed, on both
// legs, with two classes of peers.
TEST_F(Metrics, OfAPodAreWithinTheBudget)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    for (const Kind &kind : kinds)
        for (const podrtt_leg leg : {PODRTT_LEG_NETWORK, PODRTT_LEG_POD})
            for (const std::uint8_t peer : {std::uint8_t{0}, std::uint8_t{1}})
                ASSERT_TRUE(maps_->histograms.update(key(5, leg, kind.kind, peer), samples(3)));
    const std::vector usual = {PODRTT_KIND_DATA, PODRTT_KIND_RESPONSE, PODRTT_KIND_CONNECT,
                               PODRTT_KIND_DNS};
    const auto series = [&](const SeriesOptions &options, const std::string &prefix) {
        std::istringstream lines(text(options));
        std::size_t count = 0;
        for (std::string line; std::getline(lines, line);)
            count += line.starts_with(prefix);
        return count;
    };
    const SeriesOptions options = {.pod_kinds = usual, .pod_bounds = {-12, -10, -8, -6, -4, -2, 0}};
    const std::size_t of_tcp = 3 * 4 * 10, of_dns = 4 * 10;
    EXPECT_EQ(series(options, "podrtt_tcp_") + series(options, "podrtt_icmp_"), of_tcp);
    EXPECT_EQ(series(options, "podrtt_dns_"), of_dns);
    EXPECT_EQ(series({}, "podrtt_tcp_"), 6u * 4 * 23);
    // Namespaces have it all in either case.
    EXPECT_EQ(series(options, "podrtt_namespace_tcp_"), 6u * 4 * 23);
}

TEST_F(Metrics, OfEchoAreAFamilyOfTheirOwn)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->histograms.update(key(5, PODRTT_LEG_NETWORK, PODRTT_KIND_ECHO), samples(3)));
    EXPECT_THAT(text(), HasSubstr("podrtt_icmp_rtt_seconds_count{namespace=\"shop\",pod=\"web-0\",leg="
                                  "\"network\",peer=\"internet\"} 3\n"));
    EXPECT_THAT(text(), Not(HasSubstr("tcp_rtt_seconds_count")));
}

TEST_F(Metrics, TellHowAPodIsAttached)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->pods.update(6, pod("shop", "web-1")));
    states_.set({{5, {PODRTT_ATTACH_CLSACT, AttachProblem::none}},
                 {6, {PODRTT_ATTACH_CLSACT, AttachProblem::one_direction}}});
    EXPECT_THAT(text(),
                HasSubstr("podrtt_pod_attached{namespace=\"shop\",pod=\"web-0\",reason=\"clsact\"} 1\n"));
    EXPECT_THAT(
        text(),
        HasSubstr("podrtt_pod_attached{namespace=\"shop\",pod=\"web-1\",reason=\"one_direction\"} 0\n"));
}

TEST_F(Metrics, OfAPodWithTwoInterfacesTellOfTheOneThatIsNotMeasured)
{
    ASSERT_TRUE(maps_->pods.update(5, pod("shop", "web-0")));
    ASSERT_TRUE(maps_->pods.update(6, pod("shop", "web-0")));
    states_.set({{5, {PODRTT_ATTACH_AUTO, AttachProblem::failed}},
                 {6, {PODRTT_ATTACH_CLSACT, AttachProblem::none}}});
    EXPECT_THAT(text(),
                HasSubstr("podrtt_pod_attached{namespace=\"shop\",pod=\"web-0\",reason=\"failed\"} 0\n"));
    EXPECT_THAT(text(), Not(HasSubstr("clsact")));
}

} // namespace
} // namespace podrtt
