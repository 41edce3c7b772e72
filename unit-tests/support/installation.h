// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "node-daemon/install/plan.h"
#include "unit-tests/support/directory.h"

namespace podrtt
{

inline constexpr const char *list_text =
    "{\n  \"name\": \"azure\",\n  \"cniVersion\": \"0.3.0\",\n  \"plugins\": [\n"
    "    {\"type\": \"azure-vnet\"},\n    {\"type\": \"portmap\"}\n  ]\n}\n";

// A configuration directory with a list, and a plugin to install.
class Installation : public TemporaryDirectory
{
protected:
    Installation()
    {
        std::filesystem::create_directories(directory() / "net.d");
        std::filesystem::create_directories(directory() / "bin");
        write(directory() / "plugin", "the plugin");
        write(list_, list_text);
        options_.conf_dir = directory() / "net.d";
        options_.bin_dir = directory() / "bin";
        options_.plugin = directory() / "plugin";
        options_.runtime.clear();
        options_.wait = {};
    }

    std::vector<std::string> planned()
    {
        std::vector<std::string> paths;
        auto changes = plan_install(options_);
        EXPECT_TRUE(changes) << changes.error().message();
        for (const auto &change : *changes)
            paths.push_back((change.after ? "+" : "-") +
                            change.path.lexically_relative(directory()).string());
        return paths;
    }

    std::string dry_run()
    {
        std::ostringstream out;
        auto options = options_;
        options.dry_run = true;
        EXPECT_TRUE(podrtt::install(options, out));
        return out.str();
    }

    void install()
    {
        std::ostringstream out;
        auto installed = podrtt::install(options_, out);
        EXPECT_TRUE(installed) << installed.error().message();
    }

    const std::filesystem::path list_ = directory() / "net.d/10-azure.conflist";
    InstallOptions options_;
};

} // namespace podrtt
