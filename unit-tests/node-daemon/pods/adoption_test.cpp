// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/adoption.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <spdlog/sinks/null_sink.h>

#include "node-daemon/pods/azure.h"
#include "unit-tests/support/directory.h"
#include "unit-tests/support/pinned_maps.h"
#include "unit-tests/support/system.h"

namespace podrtt
{
namespace
{

TEST(AdoptionSchedule, IsShorterForAWhileAfterAMissedAdd)
{
    using namespace std::chrono_literals;
    const auto start = AdoptionSchedule::Clock::now();
    AdoptionSchedule schedule;
    EXPECT_TRUE(schedule.is_due(0, start));
    EXPECT_FALSE(schedule.is_due(0, start + 29s));
    EXPECT_TRUE(schedule.is_due(0, start + 30s));
    EXPECT_TRUE(schedule.is_due(1, start + 32s));
    EXPECT_FALSE(schedule.is_due(2, start + 32s + 500ms)); // however many
    EXPECT_TRUE(schedule.is_due(2, start + 34s));          // the cache is written by now
    EXPECT_TRUE(schedule.is_due(2, start + 61s));
    EXPECT_FALSE(schedule.is_due(2, start + 70s));
}

class Adoption : public PinnedMaps, public TemporaryDirectory, public WithNetns
{
protected:
    using WithNetns::SetUpTestSuite;
    using WithNetns::TearDownTestSuite;

    Adoption() : attacher_(std::move(*attach::Attacher::open(pins_)))
    {
        shell("ip netns add pod");
        shell("ip link add host0 type veth peer name eth0 netns pod");
    }
    ~Adoption() override
    {
        shell("ip -all netns delete");
        shell("ip link delete host0 2>/dev/null || true");
    }

    // As libcni writes it.
    void cache(const std::string &container, const std::string &pod, const std::string &more)
    {
        write(
            directory() / ("net-" + container + "-eth0"),
            R"({"kind":"cniCacheV1","containerId":")" + container +
                R"(","ifName":"eth0","networkName":"net","cniArgs":[["K8S_POD_NAMESPACE","shop"],["K8S_POD_NAME",")" +
                pod + R"("]])" + more + "}");
    }

    void adopt() { adopt_pods(*maps_, attacher_, directory(), repairs_, log_); }

    std::map<std::string, std::string> adopted()
    {
        std::map<std::string, std::string> pods;
        const auto records = maps_->pods.entries();
        for (const auto &[id, pod] : *records)
            pods[pod.name] = pod.host_ifname;
        return pods;
    }

    using Adopted = std::map<std::string, std::string>;

    attach::Attacher attacher_;
    Repairs repairs_;
    spdlog::logger log_{"test", std::make_shared<spdlog::sinks::null_sink_mt>()};
};

TEST_F(Adoption, FindsThePodByItsNetworkNamespace)
{
    cache("c1", "web", R"(,"netns":"/run/netns/pod")");
    adopt();
    EXPECT_EQ(adopted(), (Adopted{{"web", "host0"}}));
    adopt();
    EXPECT_EQ(repairs_.of(Repair::adopted), 1u);
}

TEST_F(Adoption, BelievesNoFileWhoseNamespaceIsAnotherPodsByNow)
{
    cache("c1", "web", R"(,"netns":"/run/netns/pod")");
    adopt();
    cache("stale", "old", R"(,"netns":"/run/netns/pod")");
    adopt();
    EXPECT_EQ(adopted(), (Adopted{{"web", "host0"}}));
}

// The record of a pod that is gone does not stand in the way of the next one with its ifindex.
TEST_F(Adoption, FindsThePodOnAnIfindexThatIsUsedAgain)
{
    podrtt_pod gone = pod("shop", "gone");
    gone.host_ifindex = if_nametoindex("host0");
    std::string("/run/netns/gone").copy(gone.netns, sizeof(gone.netns) - 1);
    ASSERT_TRUE(record_pod(maps_->pods, maps_->settings, gone));
    cache("c1", "web", R"(,"netns":"/run/netns/pod")");
    adopt();
    EXPECT_EQ(adopted().at("web"), "host0");
}

TEST_F(Adoption, FindsAzuresPodByRouteAndName)
{
    const std::string name = azure_veth_name("shop", "web");
    shell("ip link set host0 name " + name + " up");
    shell("ip address add 169.254.1.1/32 dev " + name);
    shell("ip route add 10.244.1.23/32 dev " + name);
    cache("c1", "web",
          R"(,"result":{"interfaces":[{"name":"eth0"}],"ips":[{"address":"10.244.1.23/24"}]})");
    cache("c2", "db", R"(,"result":{"interfaces":[{"name":"eth0"}],"ips":[{"address":"10.244.1.23/24"}]})");
    adopt();
    EXPECT_EQ(adopted(), (Adopted{{"web", name}}));
    shell("ip link delete " + name);
}

} // namespace
} // namespace podrtt
