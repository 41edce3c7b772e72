// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config_file.h"

#include <chrono>
#include <ctime>
#include <utility>

#include "node-daemon/web/tls.h"

namespace podrtt
{
namespace
{

// A file that is written where it is may be read half written: so long it must have been left alone.
constexpr std::chrono::milliseconds quiet{500};

// Whether the file has been changed where it is, just now.
bool is_being_written(const struct stat &now, const struct stat &before)
{
    timespec clock = {};
    clock_gettime(CLOCK_REALTIME, &clock);
    const auto since = std::chrono::seconds(clock.tv_sec - now.st_mtim.tv_sec) +
                       std::chrono::nanoseconds(clock.tv_nsec - now.st_mtim.tv_nsec);
    return now.st_ino == before.st_ino && now.st_dev == before.st_dev && since < quiet &&
           since > -quiet; // of a clock that was set back
}

bool is_same(const struct stat &one, const struct stat &other)
{
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
           one.st_mtim.tv_sec == other.st_mtim.tv_sec && one.st_mtim.tv_nsec == other.st_mtim.tv_nsec &&
           one.st_ctim.tv_sec == other.st_ctim.tv_sec && one.st_ctim.tv_nsec == other.st_ctim.tv_nsec;
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
    stat(path.c_str(), &file->seen_);
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
    struct stat look = {}; // of a file that is gone, too
    if (path_.empty() || (stat(path_.c_str(), &look) == 0 && is_being_written(look, seen_)) ||
        is_same(look, seen_))
        return config_;
    seen_ = look;
    read_again();
    return config_;
}

void WebConfigFile::read_again()
{
    auto config = read_web_config(path_);
    if (!config) {
        log_->error("{}; what it said before holds on", config.error().message());
        return;
    }
    if (config->tls)
        if (auto credentials = read_tls_credentials(*config->tls); !credentials) {
            log_->error("{}; what {} said before holds on", credentials.error().message(), path_.string());
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
