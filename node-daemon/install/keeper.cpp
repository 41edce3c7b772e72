// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/keeper.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <sstream>
#include <system_error>
#include <utility>

#include "node-daemon/install/plugin.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr std::chrono::milliseconds interval{200};
constexpr std::chrono::seconds poll_interval{1};  // where no message has come
constexpr std::chrono::seconds retry_interval{5}; // of what has failed
constexpr std::chrono::seconds look_interval{30}; // where nothing seems to have changed
constexpr std::uint32_t changes = IN_CLOSE_WRITE | IN_MOVED_TO | IN_DELETE | IN_MOVED_FROM;

void describe(const fs::path &path, std::ostream &out)
{
    struct stat status = {};
    if (stat(path.c_str(), &status) == 0)
        out << path << ' ' << status.st_dev << ' ' << status.st_ino << ' ' << status.st_size << ' '
            << status.st_mode << ' ' << status.st_mtim.tv_sec << '.' << status.st_mtim.tv_nsec << '\n';
}

// Differs when a file is another one, also behind a symbolic link or in a directory that has moved, of
// which inotify says nothing.
std::string look_of(const InstallOptions &options)
{
    std::ostringstream look;
    describe(options.bin_dir / plugin_name, look);
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(options.entry.conf_dir, error))
        describe(entry.path(), look);
    return look.str();
}

} // namespace

void Keeper::run(const std::stop_token &stop)
{
    const Fd stopped(eventfd(0, EFD_CLOEXEC));
    const std::stop_callback wake(stop, [&stopped] { eventfd_write(stopped.get(), 1); });
    while (!stop.stop_requested()) {
        const auto now = Clock::now();
        ensure(now);
        const auto until = std::min(now + poll_interval, due_.value_or(now + poll_interval));
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        pollfd waiting[] = {{stopped.get(), POLLIN, 0}, {inotify_.get(), POLLIN, 0}};
        poll(waiting, 2, static_cast<int>(std::max<std::int64_t>(0, left.count())));
    }
}

// Again each time: a directory may be new, or another one. Without messages the files are looked at.
void Keeper::watch()
{
    if (!inotify_) {
        inotify_ = Fd(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
        if (!inotify_ && !std::exchange(is_blind_, true))
            log_->warn("cannot watch {}: {} (see sysctl fs.inotify); looking at it once a second instead",
                       options_.entry.conf_dir.string(), std::strerror(errno));
    }
    if (!inotify_)
        return;
    inotify_add_watch(inotify_.get(), options_.entry.conf_dir.c_str(), changes);
    inotify_add_watch(inotify_.get(), options_.bin_dir.c_str(), changes);
}

void Keeper::take_messages()
{
    std::array<char, 4096> events;
    while (inotify_ && read(inotify_.get(), events.data(), events.size()) > 0)
        changed_ = true; // that is enough; some of it is by ourselves
}

bool Keeper::has_changed(Clock::time_point now) const
{
    const auto look_again = state_.in_place ? look_interval : retry_interval;
    // Who waits for another writer to give in looks on from time to time.
    return now >= last_ + look_again || (!state_.contended && (changed_ || look_of(options_) != seen_));
}

void Keeper::ensure(Clock::time_point now)
{
    take_messages();
    if (now < last_ + interval) {
        due_ = last_ + interval;
        return;
    }
    due_.reset();
    if (!has_changed(now))
        return;
    last_ = now;
    changed_ = false;
    watch();
    std::ostringstream done;
    const auto installed = install(options_, done, [&] { return rewrites_.allows(now); });
    std::istringstream lines(done.str());
    for (std::string line; std::getline(lines, line);)
        log_->info("install: {}", line);
    report(installed);
    if (!installed) { // what it has tried to write is no news; it is tried again in a while
        take_messages();
        changed_ = false;
    }
    seen_ = look_of(options_);
}

void Keeper::report(const Result<void> &installed)
{
    const std::string failed = installed ? "" : installed.error().message();
    if (failed != failed_ && !failed.empty())
        log_->warn("{}; the daemon attaches to pods without the plugin until this is mended", failed);
    failed_ = failed;
    state_.contended = !installed && installed.error().code == EBUSY;
    state_.in_place = installed.has_value();
}

} // namespace podrtt
