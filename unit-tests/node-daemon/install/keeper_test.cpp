// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/keeper.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include "unit-tests/support/installation.h"

namespace podrtt
{
namespace
{

using namespace std::chrono_literals;

class Keeping : public Installation
{
protected:
    void write_list() { write(list_, list_text); } // as Azure's CNS does

    bool has_entry() { return read(list_).find("podrtt") != std::string::npos; }

    PluginState state_;
    Keeper keeper_{
        options_, state_,
        std::make_shared<spdlog::logger>("test", std::make_shared<spdlog::sinks::null_sink_mt>())};
    const Keeper::Clock::time_point start_ = Keeper::Clock::now();
};

TEST_F(Keeping, PutsTheEntryBack)
{
    keeper_.ensure(start_);
    EXPECT_TRUE(state_.in_place);
    EXPECT_TRUE(has_entry());
    write_list();
    keeper_.ensure(start_ + 1s);
    EXPECT_TRUE(state_.in_place);
    EXPECT_TRUE(has_entry());
}

TEST_F(Keeping, ActsFiveTimesASecondAtMost)
{
    keeper_.ensure(start_);
    EXPECT_TRUE(state_.in_place);
    write_list();
    keeper_.ensure(start_ + 100ms);
    EXPECT_FALSE(has_entry());
    EXPECT_EQ(keeper_.due(), start_ + 200ms);
    keeper_.ensure(start_ + 200ms);
    EXPECT_TRUE(has_entry());
}

TEST_F(Keeping, IsNotInPlaceWithoutAList)
{
    std::filesystem::remove(list_);
    keeper_.ensure(start_);
    EXPECT_FALSE(state_.in_place);
    write_list();
    keeper_.ensure(start_ + 1s);
    EXPECT_TRUE(state_.in_place);
}

TEST_F(Keeping, GoesOnWhenADirectoryIsMissingAtFirst)
{
    std::filesystem::rename(options_.entry.conf_dir, directory() / "away");
    keeper_.ensure(start_);
    EXPECT_FALSE(state_.in_place);
    std::filesystem::rename(directory() / "away", options_.entry.conf_dir);
    keeper_.ensure(start_ + 1s);
    EXPECT_TRUE(state_.in_place);
    EXPECT_TRUE(has_entry());
}

// A change of which no message comes: behind a link, or in a directory that is another one now.
TEST_F(Keeping, SeesADirectoryOfPluginsThatMoves)
{
    const auto current = directory() / "current";
    std::filesystem::create_directories(directory() / "v2");
    std::filesystem::create_symlink("bin", current);
    options_.bin_dir = current;
    Keeper keeper(options_, state_, spdlog::default_logger());
    keeper.ensure(start_);
    EXPECT_TRUE(state_.in_place);
    std::filesystem::remove(current);
    std::filesystem::create_symlink("v2", current);
    keeper.ensure(start_ + 1s);
    EXPECT_TRUE(state_.in_place);
    EXPECT_TRUE(std::filesystem::exists(directory() / "v2/podrtt"));
}

TEST_F(Keeping, SeesAChangeBehindALink)
{
    std::filesystem::create_directories(directory() / "elsewhere");
    std::filesystem::rename(list_, directory() / "elsewhere/list");
    std::filesystem::create_symlink("../elsewhere/list", list_);
    keeper_.ensure(start_);
    EXPECT_TRUE(has_entry());
    write(directory() / "elsewhere/list", std::string(list_text) + " ");
    keeper_.ensure(start_ + 1s);
    EXPECT_TRUE(has_entry());
    EXPECT_TRUE(std::filesystem::is_symlink(list_));
}

TEST_F(Keeping, WaitsForWhoPutsItsOwnVersionBackForEver)
{
    auto now = start_;
    unsigned rewrites = 0;
    for (int i = 0; i < 100; i++, now += 200ms) {
        keeper_.ensure(now);
        rewrites += has_entry();
        write_list();
    }
    EXPECT_GE(rewrites, Backoff::few);
    EXPECT_LE(rewrites, Backoff::few + 4); // one each five seconds
    EXPECT_TRUE(state_.contended);
    EXPECT_FALSE(state_.in_place);
    keeper_.ensure(now + 6s); // the other has given in
    EXPECT_FALSE(state_.contended);
    EXPECT_TRUE(state_.in_place);
}

} // namespace
} // namespace podrtt
