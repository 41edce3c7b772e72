// SPDX-License-Identifier: Apache-2.0
#include "page.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

namespace podrtt
{
namespace
{

using nlohmann::json;

podrtt_pod pod(const char *name_space, const char *name)
{
    podrtt_pod pod = {};
    std::strncpy(pod.name_space, name_space, sizeof(pod.name_space) - 1);
    std::strncpy(pod.name, name, sizeof(pod.name) - 1);
    return pod;
}

podrtt_histogram histogram(std::uint32_t bucket, std::uint64_t count)
{
    podrtt_histogram histogram = {};
    histogram.bucket[bucket] = count;
    return histogram;
}

TEST(PageData, HasTheBucketsThatAreNotEmpty)
{
    Snapshot snapshot;
    snapshot.pod_series[{PODRTT_KIND_DATA, "shop", "web", PODRTT_LEG_NETWORK, ""}] = histogram(7, 3);
    snapshot.pod_series[{PODRTT_KIND_FLOOR, "shop", "web", PODRTT_LEG_POD, ""}] = histogram(208, 1);
    const json data = json::parse(page_data(snapshot, {}));
    EXPECT_EQ(data["pods"], json::parse(R"([{"namespace": "shop", "pod": "web", "legs": {
        "network": {"data": [7, 3]}, "pod": {"floor": [208, 1]}}}])"));
    EXPECT_EQ(data["unmeasured"], json::array());
}

TEST(PageData, IsOfNamespacesWherePodsAreNotTold)
{
    Snapshot snapshot;
    snapshot.namespace_series[{PODRTT_KIND_DATA, "shop", "", PODRTT_LEG_NETWORK, ""}] = histogram(7, 3);
    const json data = json::parse(page_data(snapshot, {}));
    EXPECT_EQ(data["pods"][0]["namespace"], "shop");
    EXPECT_EQ(data["pods"][0]["pod"], "");
}

TEST(PageData, SaysWhyPodsAreNotMeasured)
{
    Snapshot snapshot;
    snapshot.pods = {{5, pod("shop", "web")}, {6, pod("shop", "db")}};
    const json data = json::parse(
        page_data(snapshot, {{5, {true, "clsact"}}, {6, {false, "failed"}}, {7, {false, "failed"}}}));
    EXPECT_EQ(data["unmeasured"],
              json::parse(R"([{"namespace": "shop", "pod": "db", "reason": "failed"}])"));
}

TEST(PageData, IsNotKeptByNamesThatAreNoUtf8)
{
    Snapshot snapshot;
    snapshot.pods = {{5, pod("shop", "\xff\xfe")}};
    const json data = json::parse(page_data(snapshot, {{5, {false, "failed"}}}));
    EXPECT_EQ(data["unmeasured"].size(), 1u);
}

} // namespace
} // namespace podrtt
