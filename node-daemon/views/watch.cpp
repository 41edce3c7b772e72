// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/watch.h"

#include <net/if.h>
#include <net/if_arp.h>
#include <netlink/route/link.h>
#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <string>
#include <thread>
#include <utility>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/datapath.h"
#include "bpf/user/netlink.h"
#include "bpf/user/owner.h"
#include "bpf/user/pod.h"
#include "bpf/user/veth.h"
#include "node-daemon/counts/bpffs.h"
#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/peer_classes.h"

namespace podrtt
{
namespace
{

// For one interface, so that little memory is taken for the while.
constexpr DatapathOptions little = {.flows = 32768, .histograms = 1024, .pods = 16};

// Whether what lives behind it is elsewhere, as with a pod.
Result<bool> leads_elsewhere(Netlink &netlink, int ifindex)
{
    auto link = netlink.link(ifindex);
    if (!link)
        return std::unexpected(link.error());
    // The programs read Ethernet's headers; tunnels have none.
    const unsigned type = rtnl_link_get_arptype(link->get());
    if (type != ARPHRD_ETHER && type != ARPHRD_LOOPBACK)
        return failure("watch", rtnl_link_get_name(link->get()), "its packets have no Ethernet header");
    std::int32_t netns = -1;
    return is_veth(link->get()) && rtnl_link_get_link_netnsid(link->get(), &netns) == 0;
}

// What stands for the interface among pods.
podrtt_pod record_of(const std::string &interface, int ifindex)
{
    podrtt_pod pod = {};
    interface.copy(pod.name, sizeof(pod.name) - 1);
    interface.copy(pod.ifname, sizeof(pod.ifname) - 1);
    interface.copy(pod.host_ifname, sizeof(pod.host_ifname) - 1);
    std::to_string(ifindex).copy(pod.container_id, sizeof(pod.container_id) - 1);
    pod.host_ifindex = static_cast<std::uint32_t>(ifindex);
    pod.attach = PODRTT_ATTACH_CLSACT;
    pod.created = realtime_ns();
    return pod;
}

// Takes away what was pinned, and attached if it came to that, whatever happens.
class CleanUp
{
public:
    CleanUp(Pins pins, int ifindex) : pins_(std::move(pins)), ifindex_(ifindex) { forget_pins(); }
    ~CleanUp()
    {
        if (is_attached_)
            if (auto netlink = Netlink::open()) [[maybe_unused]]
                const auto detached = attach::detach(*netlink, ifindex_); // it may be gone
        std::error_code error;
        std::filesystem::remove_all(pins_.directory().parent_path(), error);
    }
    CleanUp(const CleanUp &) = delete;
    CleanUp &operator=(const CleanUp &) = delete;

    void set_attached() { is_attached_ = true; }

private:
    // Of one that was killed. The directory is locked by this one.
    void forget_pins() const
    {
        std::error_code error;
        for (const auto &pin : std::filesystem::directory_iterator(pins_.directory(), error))
            std::filesystem::remove_all(pin.path(), error);
    }

    Pins pins_;
    int ifindex_;
    bool is_attached_ = false;
};

// Whether the programs of a daemon are on it, that may not run at the moment.
Result<void> leave_to_daemon(const Pins &daemon, const std::string &interface, int ifindex)
{
    auto attacher = attach::Attacher::open(daemon);
    auto view = attacher ? attacher->observe(ifindex) : std::unexpected(attacher.error());
    if (view && attacher->pod_on(*view))
        return std::unexpected(Error{"watch", interface, EADDRINUSE,
                                     "it is a pod's that podrttd measures already; podrttd top shows it"});
    return {}; // there is no daemon, and the rest is seen when programs are attached
}

// Whether they are on the measured side of the interface.
Result<bool> attach_to(const Pins &pins, Maps &maps, const WatchOptions &options, int ifindex,
                       CleanUp &clean_up)
{
    auto attacher = attach::Attacher::open(pins);
    if (!attacher)
        return std::unexpected(attacher.error());
    auto view = attacher->observe(ifindex);
    if (!view)
        return std::unexpected(view.error());
    if (auto left = attacher->leave_to_another(*view); !left)
        return std::unexpected(left.error());
    auto id = record_pod(maps.pods, maps.settings, record_of(options.interface, ifindex));
    if (!id)
        return std::unexpected(id.error());
    auto elsewhere = leads_elsewhere(attacher->netlink(), ifindex);
    if (!elsewhere)
        return std::unexpected(elsewhere.error());
    clean_up.set_attached(); // or half of it
    if (options.own || !*elsewhere) {
        auto attached = attacher->attach_reversed(*view, *id);
        return attached ? Result<bool>(true) : std::unexpected(attached.error());
    }
    auto attached = attacher->attach(*view, *id, PODRTT_ATTACH_AUTO);
    return attached ? Result<bool>(false) : std::unexpected(attached.error());
}

Result<void> show(const Pins &pins, const WatchOptions &options, const Fd &termination, std::ostream &out,
                  std::ostream &notes)
{
    if (options.shows_top) {
        // A screen ends by SIGTERM, of the parent; what the terminal sends as well would break into its
        // end.
        for (const int signal : {SIGINT, SIGQUIT, SIGHUP})
            std::signal(signal, SIG_IGN);
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
        return options.top.once ? print_top(pins, options.top, out) : show_top(pins, options.top);
    }
    return stream(pins, options.stream, termination, out, notes);
}

// In a process of its own: a view may be ended by a signal, and what was attached must go all the same.
Result<void> show_apart(const Pins &pins, const WatchOptions &options, const Fd &termination,
                        std::ostream &out, std::ostream &notes)
{
    const pid_t child = fork();
    if (child < 0)
        return failure("start", "the view", errno);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM); // nobody would end it any more
        const auto shown = show(pins, options, termination, out, notes);
        if (!shown)
            std::cerr << "podrttd: " << shown.error().message() << '\n';
        out.flush();
        _exit(shown ? 0 : 1);
    }
    int status = 0;
    bool was_ended = false;
    std::chrono::steady_clock::time_point patience;
    while (waitpid(child, &status, WNOHANG) == 0) {
        constexpr int look_ms = 50;
        pollfd waiting = {termination.get(), POLLIN, 0};
        const auto now = std::chrono::steady_clock::now();
        if (poll(&waiting, 1, look_ms) > 0 && !std::exchange(was_ended, true)) {
            kill(child, SIGTERM);
            patience = now + std::chrono::seconds(2);
        }
        if (was_ended && now > patience) // its output is blocked
            kill(child, SIGKILL);
        if (was_ended) // the signal is still there
            std::this_thread::sleep_for(std::chrono::milliseconds(look_ms));
    }
    if (was_ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return {};
    return failure("watch", options.interface, "the view has failed");
}

} // namespace

Result<void> watch(const Pins &daemon, const WatchOptions &wanted, const Fd &termination, std::ostream &out,
                   std::ostream &notes)
{
    const auto ifindex = static_cast<int>(if_nametoindex(wanted.interface.c_str()));
    if (ifindex == 0)
        return failure("watch", wanted.interface, "there is no such interface here; see ip link");
    if (auto left = leave_to_daemon(daemon, wanted.interface, ifindex); !left)
        return left;
    // Namespaces have interfaces of the same numbers.
    struct stat netns = {};
    stat("/proc/thread-self/ns/net", &netns);
    const Pins pins(fmt::format("/sys/fs/bpf/podrtt-watch-{}-{}", netns.st_ino, ifindex));
    if (auto mounted = ensure_bpffs(pins.directory()); !mounted)
        return std::unexpected(mounted.error());
    auto lock = lock_directory(pins.directory(), "another podrttd watch has it");
    if (!lock)
        return std::unexpected(lock.error());
    CleanUp clean_up(pins, ifindex);
    if (auto loaded = load_datapath(pins, little); !loaded)
        return loaded;
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    if (auto set = set_peers(*maps, default_peers()); !set)
        return set;
    for (const auto setting : {PODRTT_SETTING_ECHO, PODRTT_SETTING_DNS})
        if (auto set = maps->settings.update(setting, 1); !set)
            return set;
    auto number = maps->settings.lookup(PODRTT_SETTING_OWNER);
    if (!number)
        return std::unexpected(number.error());
    const auto owner = announce_owner(static_cast<std::uint32_t>(number->value_or(0)));
    const auto reversed = attach_to(pins, *maps, wanted, ifindex, clean_up);
    if (!reversed)
        return std::unexpected(reversed.error());
    WatchOptions options = wanted;
    options.stream.reversed = *reversed;
    return show_apart(pins, options, termination, out, notes);
}

} // namespace podrtt
