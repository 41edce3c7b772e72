// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config_file.h"

#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>

#include <utility>

namespace podrtt
{
namespace
{

// Changes whenever the file, or what it is a link to, does.
std::string look_of(const std::filesystem::path &path)
{
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0)
        return "";
    return fmt::format("{} {} {} {}.{} {}.{}", status.st_dev, status.st_ino, status.st_size,
                       status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                       status.st_ctim.tv_nsec);
}

void warn(spdlog::logger &log, const std::filesystem::path &path, const WebConfig &config)
{
    for (const auto &warning : config.warnings)
        log.warn("{}: {}", path.string(), warning);
}

} // namespace

Result<std::unique_ptr<WebConfigFile>> WebConfigFile::open(std::filesystem::path path,
                                                           std::shared_ptr<spdlog::logger> log)
{
    auto file = std::make_unique<WebConfigFile>(WebConfig());
    if (path.empty())
        return file;
    file->seen_ = look_of(path);
    auto config = read_web_config(path);
    if (!config)
        return std::unexpected(config.error());
    warn(*log, path, *config);
    file->config_ = std::make_shared<const WebConfig>(std::move(*config));
    file->path_ = std::move(path);
    file->log_ = std::move(log);
    return file;
}

std::shared_ptr<const WebConfig> WebConfigFile::get()
{
    const std::lock_guard lock(mutex_);
    if (!path_.empty())
        if (auto look = look_of(path_); look != seen_) {
            seen_ = std::move(look);
            read_again();
        }
    return config_;
}

void WebConfigFile::read_again()
{
    auto config = read_web_config(path_);
    if (!config) {
        log_->error("{}; what it said before holds on", config.error().message());
        return;
    }
    if (config->tls.has_value() != config_->tls.has_value()) {
        log_->warn("{}: to begin or end TLS takes a restart of podrttd", path_.string());
        config->tls = config_->tls;
    }
    warn(*log_, path_, *config);
    log_->info("read {} again", path_.string());
    config_ = std::make_shared<const WebConfig>(std::move(*config));
}

} // namespace podrtt
