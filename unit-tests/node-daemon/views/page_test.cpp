// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/page.h"

#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "bpf/user/kinds.h"

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

Histogram histogram(std::uint32_t bucket, std::uint64_t count)
{
    return {0, {{bucket, count}}};
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

// The page takes words and numbers from here.
TEST(PageData, DescribesBucketsAndKinds)
{
    const json data = json::parse(page_data({}, {}));
    EXPECT_EQ(data["buckets"], json::parse(R"({"count": 209, "first_exponent": -20, "per_octave": 8})"));
    ASSERT_EQ(data["kinds"].size(), std::size(kinds));
    for (std::size_t i = 0; i < std::size(kinds); i++) {
        EXPECT_EQ(data["kinds"][i]["name"], kinds[i].name);
        EXPECT_EQ(data["kinds"][i]["title"], kinds[i].title);
    }
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
    const json data = json::parse(page_data(snapshot, {{5, {PODRTT_ATTACH_CLSACT, AttachProblem::none}},
                                                       {6, {PODRTT_ATTACH_AUTO, AttachProblem::failed}},
                                                       {7, {PODRTT_ATTACH_AUTO, AttachProblem::failed}}}));
    EXPECT_EQ(data["unmeasured"],
              json::parse(R"([{"namespace": "shop", "pod": "db", "reason": "failed"}])"));
}

TEST(PageData, IsNotKeptByNamesThatAreNoUtf8)
{
    Snapshot snapshot;
    snapshot.pods = {{5, pod("shop", "\xff\xfe")}};
    const json data = json::parse(page_data(snapshot, {{5, {PODRTT_ATTACH_AUTO, AttachProblem::failed}}}));
    EXPECT_EQ(data["unmeasured"].size(), 1u);
}

} // namespace
} // namespace podrtt
