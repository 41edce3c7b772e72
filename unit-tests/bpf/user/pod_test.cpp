// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/pod.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

Result<podrtt_pod> parse(const std::string &args)
{
    return make_pod({args, "0123abc", "eth0", "/run/netns/cni-1", "azure"}, 42);
}

TEST(Record, IsReadInAnyOrder)
{
    auto pod = parse("K8S_POD_UID=u-1;IgnoreUnknown=1;K8S_POD_NAME=web-0;K8S_POD_NAMESPACE=shop");
    ASSERT_TRUE(pod);
    EXPECT_STREQ(pod->name_space, "shop");
    EXPECT_STREQ(pod->name, "web-0");
    EXPECT_STREQ(pod->uid, "u-1");
    EXPECT_STREQ(pod->container_id, "0123abc");
    EXPECT_STREQ(pod->ifname, "eth0");
    EXPECT_STREQ(pod->netns, "/run/netns/cni-1");
    EXPECT_STREQ(pod->network, "azure");
    EXPECT_EQ(pod->created, 42u);
    EXPECT_FALSE(has_interface(*pod));
}

TEST(Record, PathThatIsTooLongIsLeftOut)
{
    auto pod = make_pod({"", "0123abc", "eth0", "/" + std::string(PODRTT_NETNS_SIZE, 'x'), ""}, 0);
    ASSERT_TRUE(pod);
    EXPECT_STREQ(pod->netns, "");
}

TEST(Record, NameIsNotTakenFromALongerKey)
{
    auto pod = parse("XK8S_POD_NAME=a;K8S_POD_NAMES=b;K8S_POD_NAME=c");
    ASSERT_TRUE(pod);
    EXPECT_STREQ(pod->name, "c");
}

TEST(Record, WithoutANameIsTheContainerId)
{
    auto pod = parse("");
    ASSERT_TRUE(pod);
    EXPECT_STREQ(pod->name, "0123abc");
    EXPECT_STREQ(pod->name_space, "");
}

TEST(Record, AsLongAsKubernetesAllowsFits)
{
    auto pod =
        parse("K8S_POD_NAMESPACE=" + std::string(63, 'n') + ";K8S_POD_NAME=" + std::string(253, 'p'));
    ASSERT_TRUE(pod);
    EXPECT_EQ(std::string(pod->name).size(), 253u);
}

struct Refusal {
    const char *name;
    std::string args;
    const char *expected;
};

class Refused : public testing::TestWithParam<Refusal>
{
};

TEST_P(Refused, WithTheKeysName)
{
    auto pod = parse(GetParam().args);
    ASSERT_FALSE(pod);
    EXPECT_THAT(pod.error().message(), HasSubstr(GetParam().expected));
}

INSTANTIATE_TEST_SUITE_P(
    , Refused,
    testing::Values(Refusal{"namespace_too_long", "K8S_POD_NAMESPACE=" + std::string(64, 'n'),
                            "K8S_POD_NAMESPACE"},
                    Refusal{"name_too_long", "K8S_POD_NAME=" + std::string(256, 'n'), "K8S_POD_NAME"},
                    Refusal{"line_break", "K8S_POD_NAME=a\nb", "K8S_POD_NAME"},
                    Refusal{"quote", "K8S_POD_NAME=a\"b", "K8S_POD_NAME"},
                    Refusal{"escape_sequence", "K8S_POD_NAMESPACE=\033[2J", "K8S_POD_NAMESPACE"},
                    Refusal{"not_ascii", "K8S_POD_UID=\xff\xfe", "K8S_POD_UID"}),
    [](const auto &row) { return row.param.name; });

} // namespace
} // namespace podrtt
