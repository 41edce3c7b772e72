// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <fcntl.h>
#include <prometheus/exposer.h>
#include <sys/file.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <exception>

#include "bpffs.h"
#include "collector.h"
#include "reconciler.h"
#include "totals.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::seconds reconcile_interval{1};

// Signals are waited for between two rounds, never handled in the middle of one. Must
// be called before other threads start, so that they inherit the mask.
sigset_t block_signals()
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    signal(SIGPIPE, SIG_IGN);
    return signals;
}

// The signal that came, or 0 when the time has passed.
int wait_for_signal(const sigset_t &signals, std::chrono::seconds time)
{
    const timespec timeout = {time.count(), 0};
    int signal = sigtimedwait(&signals, nullptr, &timeout);
    return signal > 0 ? signal : 0;
}

// Held as long as the daemon runs: two of them would move the same samples and attach
// each its own programs.
Result<Fd> lock_pins(const Pins &pins)
{
    std::error_code error;
    std::filesystem::create_directories(pins.directory(), error);
    if (error)
        return failure("create directory", pins.directory(), error.value());
    Fd fd(open(pins.directory().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return failure("open directory", pins.directory(), errno);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return failure("lock directory", pins.directory(),
                       errno == EWOULDBLOCK ? "another podrttd uses it" : std::strerror(errno));
    return fd;
}

// civetweb reports by exceptions that a port is taken.
Result<std::unique_ptr<prometheus::Exposer>> listen(const std::string &address)
{
    try {
        return std::make_unique<prometheus::Exposer>(address);
    } catch (const std::exception &error) {
        return failure("listen on", address,
                       std::string(error.what()) + "; is the port taken, or HOST not of this machine?");
    }
}

} // namespace

Result<void> run_daemon(const Pins &pins, const RunOptions &options,
                        const std::shared_ptr<spdlog::logger> &log)
{
    const sigset_t signals = block_signals();

    auto mounted = ensure_bpffs(pins.directory());
    if (!mounted)
        return std::unexpected(mounted.error());
    if (*mounted)
        log->info("mounted a bpffs on /sys/fs/bpf");
    auto lock = lock_pins(pins);
    if (!lock)
        return std::unexpected(lock.error());
    if (auto loaded = load_datapath(pins, options.sizes); !loaded)
        return loaded;
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    if (auto finished = finish_interrupted_move(*maps); !finished)
        return finished;
    if (auto set = set_peers(*maps, options.peers); !set)
        return set;
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    Reconciler reconciler(pins, *maps, std::move(*netlink), options.grace_period, log);

    auto collector = std::make_shared<Collector>(*maps);
    auto exposer = listen(options.listen);
    if (!exposer)
        return std::unexpected(exposer.error());
    (*exposer)->RegisterCollectable(collector);
    log->info("serving http://{}/metrics, pins in {}", options.listen, pins.directory().string());

    int signal = 0;
    while (!signal) {
        reconciler.reconcile(std::chrono::steady_clock::now());
        signal = wait_for_signal(signals, reconcile_interval);
    }
    log->info("ended by {}; pods are measured on", strsignal(signal));
    return {};
}

} // namespace podrtt
