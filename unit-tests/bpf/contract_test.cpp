// SPDX-License-Identifier: Apache-2.0
//
// Names that follow from numbers. contract.cpp has what the compiler checks.
#include "bpf/flow.h"
#include "bpf/podrtt.h"

#include <gtest/gtest.h>

namespace podrtt
{
namespace
{

TEST(Contract, PinDirectoryIsNamedAfterTheLayout)
{
    EXPECT_EQ(PODRTT_LAYOUT_DIR, "v" + std::to_string(PODRTT_LAYOUT));
    EXPECT_LT(std::string(PODRTT_LAYOUT_DIR).size(), std::size_t{PODRTT_LAYOUT_SIZE});
}

} // namespace
} // namespace podrtt
