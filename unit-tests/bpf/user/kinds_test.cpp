// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/kinds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace podrtt
{
namespace
{

using testing::MatchesRegex;

// Labels and names go into metrics and JSON as they are.
TEST(Kinds, HaveWordsOfTheirOwn)
{
    std::set<std::string> names, metrics;
    for (const Kind &kind : kinds) {
        names.insert(kind.name);
        metrics.insert(kind.metric);
        EXPECT_THAT(kind.metric, MatchesRegex("[a-z][a-z_]*"));
        EXPECT_THAT(kind.help, MatchesRegex("[A-Z].*\\."));
        EXPECT_STRNE(kind.title, "");
    }
    EXPECT_EQ(names.size(), std::size(kinds));
    EXPECT_EQ(metrics.size(), std::size(kinds));
}

TEST(Kinds, OfAnotherVersionAreNone)
{
    EXPECT_EQ(find_kind(PODRTT_KIND_ECHO)->name, std::string("echo"));
    EXPECT_EQ(find_kind(PODRTT_KIND_COUNTS), nullptr);
    EXPECT_EQ(find_kind(255), nullptr);
}

TEST(Counts, HaveBucketsOfTheirOwn)
{
    unsigned end = bucket_of(PODRTT_COUNT_CONNECTIONS, PODRTT_MATCHINGS);
    for (const Count &count : counts) {
        EXPECT_GE(unsigned{count.first}, end);
        end = count.first + count.buckets;
        EXPECT_LE(count.values.size(), count.buckets);
        EXPECT_THAT(count.metric, MatchesRegex("[a-z][a-z_]*"));
        EXPECT_EQ(count.label == nullptr, count.values.size() == 1);
    }
    EXPECT_LE(end, unsigned{PODRTT_BUCKETS});
}

TEST(Drops, HaveAReasonOfTheirOwnInTheirFamily)
{
    std::set<std::pair<std::string, std::string>> reasons;
    for (const Drop &drop : drops)
        reasons.insert({drop.family->metric, drop.reason});
    EXPECT_EQ(reasons.size(), std::size(drops));
}

} // namespace
} // namespace podrtt
