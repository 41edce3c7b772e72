// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/keeper.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>

#include "unit-tests/support/directory.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

class Keeping : public TemporaryDirectory
{
protected:
    static constexpr const char *list_text = R"({"name":"n","plugins":[{"type":"a"}]})";

    Keeping()
    {
        std::filesystem::create_directories(directory() / "net.d");
        std::filesystem::create_directories(directory() / "bin");
        write(directory() / "plugin", "the plugin");
        write(list_, list_text);
    }

    Result<Keeper> start()
    {
        InstallOptions options;
        options.conf_dir = directory() / "net.d";
        options.bin_dir = directory() / "bin";
        options.plugin = directory() / "plugin";
        options.runtime.clear();
        return Keeper::start(options, std::make_shared<spdlog::logger>(
                                          "test", std::make_shared<spdlog::sinks::null_sink_mt>()));
    }

    bool has_entry() { return read(list_).find("podrtt") != std::string::npos; }

    const std::filesystem::path list_ = directory() / "net.d/10.conflist";
    const Keeper::Clock::time_point start_ = Keeper::Clock::now();
};

TEST_F(Keeping, PutsTheEntryBack)
{
    auto keeper = start();
    ASSERT_TRUE(keeper);
    EXPECT_TRUE(keeper->ensure(start_));
    EXPECT_TRUE(has_entry());
    write(list_, list_text); // as Azure's CNS does
    EXPECT_TRUE(keeper->ensure(start_ + 1s));
    EXPECT_TRUE(has_entry());
}

TEST_F(Keeping, ActsFiveTimesASecondAtMost)
{
    auto keeper = start();
    ASSERT_TRUE(keeper);
    EXPECT_TRUE(keeper->ensure(start_));
    write(list_, list_text);
    keeper->ensure(start_ + 100ms);
    EXPECT_FALSE(has_entry());
    EXPECT_EQ(keeper->due(), start_ + 200ms);
    keeper->ensure(start_ + 200ms);
    EXPECT_TRUE(has_entry());
}

TEST_F(Keeping, IsNotInPlaceWithoutAList)
{
    std::filesystem::remove(list_);
    auto keeper = start();
    ASSERT_TRUE(keeper);
    EXPECT_FALSE(keeper->ensure(start_));
    write(list_, list_text);
    EXPECT_TRUE(keeper->ensure(start_ + 1s));
}

} // namespace
} // namespace podrtt
