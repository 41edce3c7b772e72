// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/daemon.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <iterator>
#include <string>
#include <thread>
#include <utility>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/fd.h"
#include "bpf/user/owner.h"
#include "node-daemon/counts/attach_states.h"
#include "node-daemon/counts/bpffs.h"
#include "node-daemon/counts/gone_namespaces.h"
#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/pin_keeper.h"
#include "node-daemon/counts/plugin_state.h"
#include "node-daemon/counts/retirement.h"
#include "node-daemon/counts/upgrade.h"
#include "node-daemon/export/collector.h"
#include "node-daemon/install/keeper.h"
#include "node-daemon/log.h"
#include "node-daemon/pods/adoption.h"
#include "node-daemon/pods/link_events.h"
#include "node-daemon/pods/reconciler.h"
#include "node-daemon/signals.h"
#include "node-daemon/web/health.h"
#include "node-daemon/web/routes.h"
#include "node-daemon/web/server.h"
#include "node-daemon/web/web_config_file.h"

namespace podrtt
{
namespace
{

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds reconcile_interval{3};
constexpr std::chrono::seconds end_patience{20}; // kubelet's is 30 s

constexpr const char *lock_holder = "another podrttd uses it";

// Waits until a signal has come, which it returns, or an event, or the time.
Result<int> wait_for_signal(const Fd &signals, int events, Clock::time_point until)
{
    pollfd waiting[] = {{signals.get(), POLLIN, 0}, {events, POLLIN, 0}};
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    if (poll(waiting, std::size(waiting), static_cast<int>(std::max<std::int64_t>(0, left.count()))) < 0 &&
        errno != EINTR)
        return failure("wait for", "signals", errno);
    signalfd_siginfo signal = {};
    if (waiting[0].revents && read(signals.get(), &signal, sizeof(signal)) == sizeof(signal))
        return static_cast<int>(signal.ssi_signo);
    return 0;
}

// Whether a pod is concerned.
bool take_events(LinkEvents &events, Reconciler &reconciler, spdlog::logger &log)
{
    const auto changes = events.take();
    if (changes.overrun) {
        log.warn("the kernel's messages came too fast, some are lost; looking at all pods again");
        reconciler.look_at_all_again();
        return true;
    }
    bool concerned = false;
    for (int interface : changes.interfaces)
        concerned |= reconciler.look_again(interface);
    return concerned;
}

Reconciler::Policy policy_of(const RunOptions &options)
{
    return {.grace_period = options.grace_period,
            .attach = options.attach,
            .max_pods = options.series.max_pods};
}

Result<void> set_settings(Maps &maps, const RunOptions &options)
{
    if (auto set = maps.settings.update(PODRTT_SETTING_ECHO, options.icmp); !set)
        return set;
    if (auto set = maps.settings.update(PODRTT_SETTING_DNS, options.dns); !set)
        return set;
    return maps.settings.update(PODRTT_SETTING_ATTACH, options.attach);
}

// The lock is on the directory, which is another one then.
void keep_pins(PinKeeper &keeper, const Pins &pins, Fd &lock, Repairs &repairs, spdlog::logger &log)
{
    auto restored = keeper.restore();
    if (!restored) {
        log.error("{}", restored.error().message());
        return;
    }
    if (!*restored)
        return;
    repairs.count(Repair::pinned);
    log.warn("somebody has removed pins from {}; pinned again", pins.directory().string());
    if (auto again = lock_directory(pins.directory(), lock_holder))
        lock = std::move(*again);
}

// To be held while the daemon runs.
Result<Fd> announce(const Maps &maps)
{
    auto owner = maps.settings.lookup(PODRTT_SETTING_OWNER);
    if (!owner)
        return std::unexpected(owner.error());
    return announce_owner(static_cast<std::uint32_t>(owner->value_or(0)));
}

std::uint64_t missed_adds(const Maps &maps)
{
    return maps.dropped(PODRTT_DROP_ADD_FAILED) + maps.dropped(PODRTT_DROP_ADD_LATE);
}

// The peer classes as they are told, and the node's own addresses, which come and go.
class PeersInForce
{
public:
    PeersInForce(Maps &maps, const RunOptions &options)
        : maps_(maps), told_(options.peers), node_(options.node_peer)
    {
    }

    // Where a prefix is told, too, that name counts.
    Result<void> update()
    {
        auto wanted = node_ ? node_peers() : Result<std::vector<PeerPrefix>>();
        if (!wanted)
            return std::unexpected(wanted.error());
        wanted->insert(wanted->end(), told_.begin(), told_.end());
        if (*wanted == in_force_)
            return {};
        auto set = set_peers(maps_, *wanted);
        if (set)
            in_force_ = std::move(*wanted);
        return set;
    }

    Result<void> set(const RunOptions &options)
    {
        told_ = options.peers;
        node_ = options.node_peer;
        return update();
    }

private:
    Maps &maps_;
    std::vector<PeerPrefix> told_;
    bool node_;
    std::vector<PeerPrefix> in_force_;
};

// Which options that a restart takes are others now, by name; empty if none are.
std::string changes_for_restart(const RunOptions &now, const RunOptions &wanted)
{
    const std::pair<const char *, bool> changes[] = {
        {"--listen", now.listen != wanted.listen},
        {"--web.config.file", now.web_config != wanted.web_config},
        {"--max-flows", now.datapath.flows != wanted.datapath.flows},
        {"--sample-interval", now.datapath.sample_interval != wanted.datapath.sample_interval},
        {"--cni-cache-dir", now.cni_cache != wanted.cni_cache},
        {"--install and what belongs to it",
         now.install != wanted.install || now.installation != wanted.installation},
    };
    std::string names;
    for (const auto &[name, is_other] : changes)
        if (is_other)
            names += (names.empty() ? "" : ", ") + std::string(name);
    return names;
}

} // namespace

Result<void> run_daemon(const Pins &pins, const RunOptions &options, const ReadOptions &read_options,
                        const std::shared_ptr<spdlog::logger> &log)
{
    auto signals = take_signals({SIGTERM, SIGINT, SIGHUP});
    if (!signals)
        return std::unexpected(signals.error());
    EndGuard end_guard(end_patience); // ends last

    auto mounted = ensure_bpffs(pins.directory());
    if (!mounted)
        return std::unexpected(mounted.error());
    if (*mounted)
        log->info("mounted a bpffs on /sys/fs/bpf");
    // Two daemons would move the same samples and attach each its own programs.
    auto lock = lock_directory(pins.directory(), lock_holder);
    if (!lock)
        return std::unexpected(lock.error());
    auto web_config = WebConfigFile::open(options.web_config, log);
    if (!web_config)
        return std::unexpected(web_config.error());
    if (auto loaded = load_datapath(pins, options.datapath); !loaded)
        return loaded;
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    auto pin_keeper = PinKeeper::open(pins);
    if (!pin_keeper)
        return std::unexpected(pin_keeper.error());
    if (auto finished = finish_interrupted_move(*maps, pins); !finished)
        return finished;
    PeersInForce peers(*maps, options);
    if (auto set = peers.update(); !set)
        return set;
    if (auto set = set_settings(*maps, options); !set)
        return set;
    auto attacher = attach::Attacher::open(pins);
    if (!attacher)
        return std::unexpected(attacher.error());
    auto events = LinkEvents::open();
    if (!events)
        return std::unexpected(events.error());
    auto owner = announce(*maps);
    if (!owner) // whoever has taken the name; only another podrttd would need it
        log->warn("{}", owner.error().message());
    AttachStates attach_states;
    Repairs repairs;
    Reconciler reconciler(pins, *maps, *attacher, attach_states, repairs, policy_of(options), log);
    Upgrade upgrade(pins, *maps, *log);
    GoneNamespaces gone_namespaces(options.namespace_grace_period);

    PluginState plugin_state;
    const PluginState *plugin = options.install ? &plugin_state : nullptr;
    Health health;
    Collector collector(pins, *maps, attach_states, repairs, options.series, plugin);
    Routes routes(collector, *maps, attach_states, health, plugin);
    const auto start = Clock::now();
    AdoptionSchedule adoption;
    // Before anybody asks: what was taken over must not come in later, as if it were new.
    if (adoption.is_due(missed_adds(*maps), start))
        adopt_pods(*maps, *attacher, options.cni_cache, repairs, *log);
    if (reconciler.reconcile(start) && upgrade.finish())
        reconciler.count_directions_anew();
    health.beat(start);
    auto server = Server::start(options.listen, **web_config,
                                [&routes](const Request &request) { return routes.handle(request); });
    if (!server)
        return std::unexpected(server.error());
    const char *scheme = (*web_config)->get()->tls ? "https" : "http";
    for (const auto &address : options.listen)
        log->info("serving {}://{}/metrics, pins in {}", scheme, address.text(), pins.directory().string());

    // What SIGHUP is for.
    const auto reload = [&] {
        auto wanted = read_options();
        if (!wanted) {
            log->error("the options stay as they were");
            return;
        }
        set_log(*log, wanted->log_level, wanted->json_log);
        reconciler.set_policy(policy_of(*wanted));
        reconciler.reconcile(Clock::now()); // which decides the names of pods, before series have them
        collector.set_series(wanted->series);
        gone_namespaces.set_grace_period(wanted->namespace_grace_period);
        for (const auto &done : {peers.set(*wanted), set_settings(*maps, *wanted)})
            if (!done)
                log->error("{}", done.error().message());
        log->info("read the options again");
        if (const auto later = changes_for_restart(options, *wanted); !later.empty())
            log->warn("a restart is needed for {}", later);
    };

    Keeper keeper(options.installation, plugin_state, log);
    std::jthread keeping;
    if (options.install)
        keeping = std::jthread([&keeper](const std::stop_token &stop) { keeper.run(stop); });

    Clock::time_point next = start + reconcile_interval;
    for (;;) {
        const auto now = Clock::now();
        if (take_events(*events, reconciler, *log) || now >= next) {
            keep_pins(*pin_keeper, pins, *lock, repairs, *log);
            if (adoption.is_due(missed_adds(*maps), now))
                adopt_pods(*maps, *attacher, options.cni_cache, repairs, *log);
            if (reconciler.reconcile(now) && upgrade.finish())
                reconciler.count_directions_anew();
            if (auto retired = gone_namespaces.retire(*maps, pins, now); !retired)
                log->error("{}", retired.error().message());
            health.beat(now);
            routes.forget_old_answers();
            if (auto updated = peers.update(); !updated)
                log->error("{}", updated.error().message());
            next = now + reconcile_interval;
        }
        auto signal = wait_for_signal(*signals, events->fd(), next);
        if (!signal)
            return std::unexpected(signal.error());
        if (*signal == SIGHUP) {
            reload();
        } else if (*signal) {
            log->info("ended by {}; pods are still measured", strsignal(*signal));
            end_guard.begin();
            return {};
        }
    }
}

} // namespace podrtt
