// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cerrno>

#include "unit-tests/support/directory.h"

namespace podrtt
{
namespace
{

using ReadFile = TemporaryDirectory;

TEST_F(ReadFile, GivesNothingForAFileThatIsNotThere)
{
    auto read = read_file(directory() / "none");
    ASSERT_TRUE(read);
    EXPECT_FALSE(*read);
}

TEST_F(ReadFile, GivesTheBytesUpToTheLimit)
{
    const std::string text(20'000, 'x');
    write(directory() / "file", text);
    EXPECT_EQ(read_file(directory() / "file", text.size()), text);
    EXPECT_EQ(read_file(directory() / "file", text.size() - 1).error().code, EFBIG);
}

TEST_F(ReadFile, DoesNotReadWhatIsNoRegularFile)
{
    ASSERT_EQ(mkfifo((directory() / "fifo").c_str(), 0600), 0);
    EXPECT_EQ(read_file(directory() / "fifo").error().code, EINVAL); // nobody writes to it
    EXPECT_EQ(read_file("/dev/zero").error().code, EINVAL);
    EXPECT_EQ(read_file(directory()).error().code, EINVAL);
    std::filesystem::create_symlink("/dev/zero", directory() / "link");
    EXPECT_EQ(read_file(directory() / "link").error().code, EINVAL);
}

} // namespace
} // namespace podrtt
