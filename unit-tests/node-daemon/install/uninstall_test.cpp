// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/uninstall.h"

#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

TEST_F(Installation, IsUndoneToTheByte)
{
    for (const bool drop_in : {false, true}) {
        options_.drop_in = drop_in;
        install();
        std::ostringstream out;
        ASSERT_TRUE(uninstall(options_, out));
        EXPECT_EQ(read(list_), list_text);
        EXPECT_FALSE(std::filesystem::exists(directory() / "bin/podrtt"));
        EXPECT_FALSE(std::filesystem::exists(directory() / "net.d/azure"));
    }
}

TEST_F(Installation, RehearsalOfTheRemovalChangesNothing)
{
    install();
    const std::string before = read(list_);
    auto options = options_;
    options.dry_run = true;
    std::ostringstream out;
    ASSERT_TRUE(uninstall(options, out));
    EXPECT_EQ(read(list_), before);
    EXPECT_NE(out.str().find("-    {\"type\":\"podrtt\"}"), std::string::npos) << out.str();
    EXPECT_NE(out.str().find("# remove "), std::string::npos);
}

} // namespace
} // namespace podrtt
