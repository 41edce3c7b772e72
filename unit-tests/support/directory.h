// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace podrtt
{

// A directory that goes with the test.
class TemporaryDirectory : public virtual testing::Test
{
protected:
    TemporaryDirectory()
    {
        std::string name = std::filesystem::temp_directory_path() / "podrtt-test-XXXXXX";
        EXPECT_NE(mkdtemp(name.data()), nullptr);
        directory_ = name;
    }
    ~TemporaryDirectory() override { std::filesystem::remove_all(directory_); }

    const std::filesystem::path &directory() const { return directory_; }

    static void write(const std::filesystem::path &path, const std::string &text)
    {
        std::ofstream(path, std::ios::binary) << text;
    }

    static std::string read(const std::filesystem::path &path)
    {
        std::ifstream file(path, std::ios::binary);
        return std::string(std::istreambuf_iterator<char>(file), {});
    }

private:
    std::filesystem::path directory_;
};

} // namespace podrtt
