// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/cni_cache.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "node-daemon/pods/adoption.h"

namespace podrtt
{
namespace
{

const std::filesystem::path captures = TEST_DATA "/cni-captures/libcni-cache";

std::string read(const std::filesystem::path &path)
{
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(CniCache, OfContainerdSaysWhoThePodIs)
{
    const auto all = read_cni_cache(captures / "containerd-1.7.24");
    EXPECT_EQ(all.size(), 4u);
    for (const auto &cached : all) {
        EXPECT_EQ(cached.container_id.size(), 64u);
        EXPECT_GT(cached.written, 0u);
        if (cached.network == "cni-loopback")
            continue;
        EXPECT_EQ(cached.network, "podnet");
        EXPECT_EQ(cached.ifname, "eth0");
        EXPECT_TRUE(cached.args.contains("K8S_POD_NAMESPACE=default;")) << cached.args;
        EXPECT_TRUE(cached.netns.starts_with("/var/run/netns/cni-")) << cached.netns;
        ASSERT_EQ(cached.addresses.size(), 2u);
        EXPECT_TRUE(cached.addresses[0].starts_with("10.99.0.")) << cached.addresses[0];
    }
}

TEST(CniCache, OfPodmanIsUnderstoodToo)
{
    const auto all = read_cni_cache(captures / "podman-4.3.1");
    EXPECT_EQ(all.size(), 3u);
    for (const auto &cached : all)
        EXPECT_TRUE(cached.args.contains("K8S_POD_NAME=")) << cached.args;
}

TEST(CniCache, HasNoNamespaceWhereAzureSaysNone)
{
    auto cached = parse_cached_interface(
        R"({"kind":"cniCacheV1","containerId":"0123abc","ifName":"eth0","networkName":"azure",)"
        R"("cniArgs":[["K8S_POD_NAME","web-0"],["K8S_POD_NAMESPACE","shop"]],)"
        R"("result":{"cniVersion":"0.3.0","interfaces":[{"name":"eth0"}],"ips":[{"version":"4","address":"10.244.1.23/24"}]}})");
    ASSERT_TRUE(cached);
    EXPECT_EQ(cached->netns, "");
    EXPECT_EQ(cached->addresses, std::vector<std::string>{"10.244.1.23"});
}

TEST(CniCache, AddressesOfOldVersionsAreUnderstood)
{
    const auto cached = parse_cached_interface(
        R"({"kind":"cniCacheV1","containerId":"c","ifName":"eth0","networkName":"n","result":{"cniVersion":"0.2.0",)"
        R"("ip4":{"ip":"10.1.2.3/24"},"ip6":{"ip":"fd00::2/64"}}})");
    ASSERT_TRUE(cached);
    EXPECT_EQ(cached->addresses, (std::vector<std::string>{"10.1.2.3", "fd00::2"}));
}

TEST(CniCache, NamespaceOfLibcniCountsMoreThanThatOfTheResult)
{
    auto cached = parse_cached_interface(
        R"({"kind":"cniCacheV1","containerId":"a","ifName":"eth0","netns":"/run/netns/x",)"
        R"("result":{"interfaces":[{"name":"eth0","sandbox":"/run/netns/y"}]}})");
    ASSERT_TRUE(cached);
    EXPECT_EQ(cached->netns, "/run/netns/x");
}

// Files are written in place: every beginning of one may be met.
TEST(CniCache, TornFilesAreRefused)
{
    for (const auto &file : std::filesystem::directory_iterator(captures / "containerd-1.7.24")) {
        const std::string whole = read(file.path());
        ASSERT_TRUE(parse_cached_interface(whole));
        for (std::size_t length = 0; length + 1 < whole.size(); length += 7)
            EXPECT_FALSE(parse_cached_interface(whole.substr(0, length))) << length;
    }
}

TEST(CniCache, OddShapesAreNoProblem)
{
    for (const char *text : {"[]", "1", "{}", R"({"kind":1})", R"({"kind":"cniCacheV1"})",
                             R"({"kind":"cniCacheV1","containerId":1,"ifName":[]})"})
        EXPECT_FALSE(parse_cached_interface(text)) << text;
    for (const char *rest :
         {R"("cniArgs":[1,["a"],["a",1],[]])", R"("result":[])", R"("result":{"ips":1,"interfaces":{}})",
          R"("result":{"ips":[1,{}],"interfaces":[1,{"name":1}]})", R"("netns":[])"})
        EXPECT_TRUE(parse_cached_interface(R"({"kind":"cniCacheV1","containerId":"a","ifName":"b",)" +
                                           std::string(rest) + "}"))
            << rest;
}

TEST(CniCache, DeepNestingIsRefused)
{
    EXPECT_FALSE(
        parse_cached_interface(R"({"kind":"cniCacheV1","containerId":"c","ifName":"eth0","result":)" +
                               std::string(200'000, '[') + std::string(200'000, ']') + "}"));
}

TEST(CniCache, DirectoryThatIsNotThereIsEmpty)
{
    EXPECT_TRUE(read_cni_cache("/nonexistent").empty());
}

} // namespace
} // namespace podrtt
