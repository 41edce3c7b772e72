// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/lock.h"

#include "unit-tests/support/directory.h"

namespace podrtt
{
namespace
{

class Lock : public TemporaryDirectory
{
protected:
    const std::string path_ = directory() / "locked";
};

TEST_F(Lock, IsHeldByOne)
{
    auto lock = lock_directory(path_, "another has it");
    ASSERT_TRUE(lock);
    EXPECT_TRUE(is_directory_locked(path_));
    auto second = lock_directory(path_, "another has it");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().reason, "another has it");
    *lock = Fd();
    EXPECT_FALSE(is_directory_locked(path_));
    EXPECT_TRUE(lock_directory(path_, "another has it"));
}

TEST_F(Lock, OfWhatIsNotThereIsFree)
{
    EXPECT_FALSE(is_directory_locked(path_));
    EXPECT_FALSE(std::filesystem::exists(path_));
}

} // namespace
} // namespace podrtt
