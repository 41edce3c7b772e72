// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/watch.h"

#include <net/if.h>
#include <netlink/route/link.h>
#include <poll.h>
#include <sys/prctl.h>
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

Result<void> attach_to(const Pins &pins, Maps &maps, const WatchOptions &options, int ifindex)
{
    auto attacher = attach::Attacher::open(pins);
    if (!attacher)
        return std::unexpected(attacher.error());
    auto view = attacher->observe(ifindex);
    if (!view)
        return std::unexpected(view.error());
    if (auto left = attacher->leave_to_another(*view); !left)
        return left;
    auto id = record_pod(maps.pods, maps.settings, record_of(options.interface, ifindex));
    if (!id)
        return std::unexpected(id.error());
    auto elsewhere = leads_elsewhere(attacher->netlink(), ifindex);
    if (!elsewhere)
        return std::unexpected(elsewhere.error());
    if (options.own || !*elsewhere)
        return attacher->attach_reversed(*view, *id);
    auto attached = attacher->attach(*view, *id, PODRTT_ATTACH_AUTO);
    return attached ? Result<void>() : std::unexpected(attached.error());
}

Result<void> show(const Pins &pins, const WatchOptions &options, const Fd &termination, std::ostream &out,
                  std::ostream &notes)
{
    if (options.shows_top) {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_UNBLOCK, &all, nullptr); // a screen ends by them
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
    while (waitpid(child, &status, WNOHANG) == 0) {
        constexpr int look_ms = 50;
        pollfd waiting = {termination.get(), POLLIN, 0};
        if (poll(&waiting, 1, look_ms) > 0 && !std::exchange(was_ended, true))
            kill(child, SIGTERM);
        if (was_ended) // the signal is still there
            std::this_thread::sleep_for(std::chrono::milliseconds(look_ms));
    }
    if (was_ended || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
        return {};
    return failure("watch", options.interface, "the view has failed");
}

} // namespace

Result<void> watch(const WatchOptions &options, const Fd &termination, std::ostream &out,
                   std::ostream &notes)
{
    const auto ifindex = static_cast<int>(if_nametoindex(options.interface.c_str()));
    if (ifindex == 0)
        return failure("watch", options.interface, "there is no such interface here; see ip link");
    const Pins pins("/sys/fs/bpf/podrtt-watch-" + std::to_string(ifindex));
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
    if (auto attached = attach_to(pins, *maps, options, ifindex); !attached)
        return attached;
    clean_up.set_attached();
    return show_apart(pins, options, termination, out, notes);
}

} // namespace podrtt
