// SPDX-License-Identifier: Apache-2.0
//
// What the fuzzer (hack/fuzz) has kept: inputs of all kinds, and those that once failed.
#include "unit-tests/cni-plugin/plugin_fuzz.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace podrtt::cni
{
namespace
{

TEST(Corpus, BreaksNothing)
{
    int inputs = 0;
    for (const auto &file : std::filesystem::directory_iterator(TEST_DATA "/plugin-corpus")) {
        SCOPED_TRACE(file.path());
        std::ifstream stream(file.path(), std::ios::binary);
        fuzz_plugin({std::istreambuf_iterator<char>(stream), {}});
        inputs++;
    }
    EXPECT_GT(inputs, 20);
}

TEST(Fuzz, NestingIsNoProblem)
{
    const std::string environment =
        "CNI_COMMAND=ADD\nCNI_CONTAINERID=a\nCNI_NETNS=/x\nCNI_IFNAME=eth0\nCNI_PATH=/x\n\n";
    for (int depth : {100, 499, 500, 501, 200000}) {
        std::string nested = environment + R"({"cniVersion":"1.0.0","name":"n","prevResult":)";
        for (int i = 0; i < depth; i++)
            nested += R"({"a":)";
        nested += "1";
        nested.append(static_cast<std::size_t>(depth) + 1, '}');
        fuzz_plugin(nested);
    }
}

} // namespace
} // namespace podrtt::cni
