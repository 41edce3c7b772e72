// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "node-daemon/install/install.h"
#include "node-daemon/install/plugin.h"
#include "unit-tests/support/directory.h"

namespace podrtt
{

inline constexpr const char *list_text =
    "{\n  \"name\": \"azure\",\n  \"cniVersion\": \"0.3.0\",\n  \"plugins\": [\n"
    "    {\"type\": \"azure-vnet\"},\n    {\"type\": \"portmap\"}\n  ]\n}\n";

// A plugin that answers VERSION, and does nothing else.
inline constexpr const char *plugin_text =
    "#!/bin/sh\necho '{\"cniVersion\":\"1.0.0\",\"supportedVersions\":[\"0.1.0\",\"0.3.0\",\"1.0.0\"]}'\n";

// A configuration directory with a list, and a plugin to install.
class Installation : public TemporaryDirectory
{
protected:
    Installation()
    {
        std::filesystem::create_directories(directory() / "net.d");
        std::filesystem::create_directories(directory() / "bin");
        write(directory() / "plugin", plugin_text);
        std::filesystem::permissions(directory() / "plugin", std::filesystem::perms(0755));
        write(list_, list_text);
        options_.entry.conf_dir = directory() / "net.d";
        options_.bin_dir = directory() / "bin";
        options_.plugin = directory() / "plugin";
        options_.entry.runtime.clear();
        options_.wait = {};
    }

    // What an installation would do, in the order in which it is done.
    std::vector<std::string> planned()
    {
        std::vector<std::string> paths;
        auto changes = plan_plugin(options_.plugin, options_.bin_dir / "podrtt");
        EXPECT_TRUE(changes) << changes.error().message();
        auto entries = plan_entry(options_.entry, ask_versions(options_.plugin));
        changes->insert(changes->end(), entries.changes.begin(), entries.changes.end());
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

    // Why it failed, or nothing.
    std::string install_error()
    {
        std::ostringstream out;
        auto installed = podrtt::install(options_, out);
        return installed ? "" : installed.error().message();
    }

    void install() { EXPECT_EQ(install_error(), ""); }

    const std::filesystem::path list_ = directory() / "net.d/10-azure.conflist";
    InstallOptions options_;
};

} // namespace podrtt
