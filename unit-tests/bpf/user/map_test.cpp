// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/map.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <set>

namespace podrtt
{
namespace
{

using testing::HasSubstr;

constexpr const char *path = "/sys/fs/bpf/map_test";

class PinnedMap : public testing::Test
{
protected:
    PinnedMap()
    {
        Fd fd(bpf_map_create(BPF_MAP_TYPE_HASH, "map_test", sizeof(std::uint32_t), sizeof(std::uint64_t),
                             1000, nullptr));
        EXPECT_EQ(bpf_obj_pin(fd.get(), path), 0);
    }
    ~PinnedMap() override { unlink(path); }
};

using TestMap = Map<std::uint32_t, std::uint64_t>;

TEST_F(PinnedMap, GivesBackWhatWasWritten)
{
    auto map = TestMap::open(path);
    ASSERT_TRUE(map);
    ASSERT_TRUE(map->update(1, 10));
    auto value = map->lookup(1);
    ASSERT_TRUE(value && *value);
    EXPECT_EQ(**value, 10u);
    EXPECT_EQ(map->lookup(2), Result<std::optional<std::uint64_t>>(std::nullopt));
}

TEST_F(PinnedMap, ListsEveryEntryOnceHoweverMany)
{
    auto map = TestMap::open(path);
    ASSERT_TRUE(map);
    for (std::uint32_t key = 0; key < 1000; key++)
        ASSERT_TRUE(map->update(key, std::uint64_t{key} * 2));
    auto entries = map->entries();
    ASSERT_TRUE(entries);
    EXPECT_EQ(entries->size(), 1000u);
    std::set<std::uint32_t> seen;
    for (const auto &[key, value] : *entries) {
        EXPECT_EQ(value, key * 2);
        seen.insert(key);
    }
    EXPECT_EQ(seen.size(), 1000u);
}

TEST_F(PinnedMap, WithoutEntriesListsNone)
{
    auto map = TestMap::open(path);
    ASSERT_TRUE(map && map->entries());
    EXPECT_TRUE(map->entries()->empty());
}

TEST_F(PinnedMap, EraseOfWhatIsNotThereIsNoError)
{
    auto map = TestMap::open(path);
    ASSERT_TRUE(map);
    EXPECT_TRUE(map->erase(5));
}

TEST_F(PinnedMap, UpdateOfWhatIsNotThereFailsWithExist)
{
    auto map = TestMap::open(path);
    ASSERT_TRUE(map);
    auto updated = map->update(5, 1, BPF_EXIST);
    ASSERT_FALSE(updated);
    EXPECT_EQ(updated.error().code, ENOENT);
}

TEST_F(PinnedMap, OfOtherSizesIsRefused)
{
    auto map = Map<std::uint32_t, std::uint32_t>::open(path);
    ASSERT_FALSE(map);
    EXPECT_THAT(map.error().message(), HasSubstr("another version"));
}

TEST(MapOpen, NamesThePathThatIsMissing)
{
    auto map = TestMap::open("/sys/fs/bpf/none");
    ASSERT_FALSE(map);
    EXPECT_EQ(map.error().code, ENOENT);
    EXPECT_THAT(map.error().message(), HasSubstr("/sys/fs/bpf/none"));
}

} // namespace
} // namespace podrtt
