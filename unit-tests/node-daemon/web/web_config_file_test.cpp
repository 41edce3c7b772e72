// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;

class WebConfigInForce : public testing::Test
{
protected:
    ~WebConfigInForce() override { std::remove(path_.c_str()); }

    // As Kubernetes and editors do: another file takes the place.
    void write(const std::string &text)
    {
        std::ofstream(path_ + ".new") << text;
        std::filesystem::rename(path_ + ".new", path_);
    }

    std::unique_ptr<WebConfigFile> open()
    {
        auto file = WebConfigFile::open(path_, log_);
        EXPECT_TRUE(file) << file.error().message();
        return file ? std::move(*file) : nullptr;
    }

    const std::string path_ = testing::TempDir() + "web-file-" + std::to_string(getpid()) + ".yml";
    std::ostringstream logged_;
    std::shared_ptr<spdlog::logger> log_ =
        std::make_shared<spdlog::logger>("web", std::make_shared<spdlog::sinks::ostream_sink_mt>(logged_));
};

TEST_F(WebConfigInForce, IsWhatTheFileSaysNow)
{
    write("auth_excluded_paths: [/a]");
    auto file = open();
    ASSERT_TRUE(file);
    EXPECT_TRUE(file->get()->is_open("/a"));
    EXPECT_EQ(file->get(), file->get()); // unchanged is the same
    write("auth_excluded_paths: [/b]");
    EXPECT_FALSE(file->get()->is_open("/a"));
    EXPECT_TRUE(file->get()->is_open("/b"));
}

TEST_F(WebConfigInForce, OutlivesAMistake)
{
    write("auth_excluded_paths: [/a]");
    auto file = open();
    ASSERT_TRUE(file);
    write("auth_excluded_path: [/b]");
    EXPECT_TRUE(file->get()->is_open("/a"));
    EXPECT_TRUE(file->get()->is_open("/a"));
    EXPECT_THAT(logged_.str(), HasSubstr("unknown key \"auth_excluded_path\""));
    EXPECT_EQ(logged_.str().find("unknown key"), logged_.str().rfind("unknown key")); // said once
    std::filesystem::remove(path_);
    EXPECT_TRUE(file->get()->is_open("/a"));
}

// As `cat new.yml > web.yml` does it: for a moment the file is empty, and would let everybody in.
TEST_F(WebConfigInForce, IsNotReadHalfWritten)
{
    write("auth_excluded_paths: [/a]");
    auto file = open();
    ASSERT_TRUE(file);
    std::ofstream(path_) << "";
    EXPECT_TRUE(file->get()->is_open("/a"));
    std::ofstream(path_) << "auth_excluded_paths: [/b]";
    for (int i = 0; i < 100 && !file->get()->is_open("/b"); i++)
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(file->get()->is_open("/b"));
}

TEST_F(WebConfigInForce, WithACertificateThatDoesNotWorkChangesNothing)
{
    write("auth_excluded_paths: [/a]");
    auto file = open();
    ASSERT_TRUE(file);
    write("auth_excluded_paths: [/b]\ntls_server_config: {cert: nonsense, key: nonsense}");
    EXPECT_TRUE(file->get()->is_open("/a"));
    EXPECT_THAT(logged_.str(), HasSubstr("holds on"));
}

TEST_F(WebConfigInForce, WarnsOfWhatMeansNothingHere)
{
    write("http_server_config: {http2: false}");
    ASSERT_TRUE(open());
    EXPECT_THAT(logged_.str(), Not(HasSubstr("http2")));
    write("http_server_config: {http2: true}");
    ASSERT_TRUE(open());
    EXPECT_THAT(logged_.str(), HasSubstr("http2"));
}

TEST_F(WebConfigInForce, WithAMistakeFromTheBeginningIsRefused)
{
    write("nonsense: 1");
    EXPECT_FALSE(WebConfigFile::open(path_, log_));
    std::filesystem::remove(path_);
    EXPECT_FALSE(WebConfigFile::open(path_, log_));
}

} // namespace
} // namespace podrtt
