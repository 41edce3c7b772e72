// SPDX-License-Identifier: Apache-2.0
#include "daemon.h"

#include <prometheus/exposer.h>

#include <chrono>
#include <cstring>
#include <exception>

#include "bpffs.h"
#include "collector.h"
#include "lock.h"
#include "reconciler.h"
#include "signals.h"
#include "totals.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::seconds reconcile_interval{1};

// The signal that came, or 0 when the time has passed.
int wait_for_signal(const sigset_t &signals, std::chrono::seconds time)
{
    const timespec timeout = {time.count(), 0};
    int signal = sigtimedwait(&signals, nullptr, &timeout);
    return signal > 0 ? signal : 0;
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
    const sigset_t signals = block_termination_signals();

    auto mounted = ensure_bpffs(pins.directory());
    if (!mounted)
        return std::unexpected(mounted.error());
    if (*mounted)
        log->info("mounted a bpffs on /sys/fs/bpf");
    // Two daemons would move the same samples and attach each its own programs.
    auto lock = lock_directory(pins.directory(), "another podrttd uses it");
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
