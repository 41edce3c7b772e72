// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/azure.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

TEST(AzuresNames, AreMadeFromThePods)
{
    // printf default.web | sha1sum
    EXPECT_EQ(azure_veth_name("default", "web"), "azv68caf03a5f4");
    EXPECT_EQ(azure_veth_name("kube-system", "coredns-7d8f5f9c5b-x2x7l"), "azv6b6a5263e2f");
}

} // namespace
} // namespace podrtt
