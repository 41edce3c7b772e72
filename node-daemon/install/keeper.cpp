// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/keeper.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <sstream>

namespace podrtt
{
namespace
{

constexpr std::chrono::milliseconds interval{200};
constexpr std::chrono::seconds look_interval{30}; // where nothing seems to have changed

} // namespace

Result<Keeper> Keeper::start(const InstallOptions &options, std::shared_ptr<spdlog::logger> log)
{
    Fd inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    if (!inotify)
        return failure("watch", options.conf_dir, errno);
    constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM;
    if (inotify_add_watch(inotify.get(), options.conf_dir.c_str(), changes) < 0)
        return failure("watch", options.conf_dir, errno);
    inotify_add_watch(inotify.get(), options.bin_dir.c_str(),
                      changes); // if it is not there, install() says so
    return Keeper(options, std::move(inotify), std::move(log));
}

bool Keeper::ensure(Clock::time_point now)
{
    std::array<char, 4096> events;
    while (read(inotify_.get(), events.data(), events.size()) > 0)
        changed_ = true; // that is enough; some of it is by ourselves
    if (!changed_ && in_place_ && now < last_ + look_interval)
        return true;
    if (now < last_ + interval) {
        due_ = last_ + interval;
        return in_place_;
    }
    last_ = now;
    due_.reset();
    changed_ = false;
    std::ostringstream done;
    auto installed = install(options_, done);
    std::istringstream lines(done.str());
    for (std::string line; std::getline(lines, line);)
        log_->info("install: {}", line);
    const std::string failed = installed ? "" : installed.error().message();
    if (failed != failed_ && !failed.empty())
        log_->warn("{}; the daemon attaches to pods without the plugin until this is mended", failed);
    failed_ = failed;
    in_place_ = installed.has_value();
    return in_place_;
}

} // namespace podrtt
