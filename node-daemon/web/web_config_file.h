// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>
#include <sys/stat.h>

#include <filesystem>
#include <memory>
#include <mutex>

#include "node-daemon/web/web_config.h"

namespace podrtt
{

// The web configuration in force: what its file says at the moment, or, if it is written where it is
// instead of being replaced, half a second later. A file with a mistake, or with certificates that do not
// work, changes nothing, and the log says so. Thread-safe.
class WebConfigFile
{
public:
    // An empty path: everybody may ask, by plain HTTP.
    static Result<std::unique_ptr<WebConfigFile>> open(std::filesystem::path path,
                                                       std::shared_ptr<spdlog::logger> log);

    // Without a file.
    explicit WebConfigFile(WebConfig config) : config_(std::make_shared<const WebConfig>(std::move(config)))
    {
    }

    // Looks at the file, which costs a system call.
    std::shared_ptr<const WebConfig> get();

private:
    void read_again();

    std::filesystem::path path_;
    std::shared_ptr<spdlog::logger> log_;
    std::mutex mutex_;      // of what follows
    struct stat seen_ = {}; // what the file looked like when it was read
    std::shared_ptr<const WebConfig> config_;
};

} // namespace podrtt
