// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/stream.h"

#include <arpa/inet.h>
#include <bpf/libbpf.h>
#include <poll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "bpf/user/handle.h"
#include "bpf/user/kinds.h"
#include "node-daemon/counts/lock.h"

namespace podrtt
{
namespace
{

using RingBuffer = Handle<ring_buffer, ring_buffer__free>;

constexpr std::uint32_t setting = PODRTT_SETTING_EVENTS_UNTIL;
constexpr std::uint64_t lease_ns = 3'000'000'000;
constexpr int renew_ms = 1000;

std::int64_t clock_now_ns(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Bytes of a v4-mapped or IPv6 address, in network byte order.
std::string address_text(const __u8 (&address)[16])
{
    static constexpr std::array<__u8, 12> v4_mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    std::array<char, INET6_ADDRSTRLEN> text;
    if (std::memcmp(address, v4_mapped.data(), v4_mapped.size()) == 0)
        inet_ntop(AF_INET, address + v4_mapped.size(), text.data(), text.size());
    else
        inet_ntop(AF_INET6, address, text.data(), text.size());
    return text.data();
}

// What the ring buffer's callback works on.
struct Reader {
    const Maps &maps;
    const StreamOptions &options;
    std::ostream &out;
    std::int64_t realtime_offset_ns;
    std::map<std::uint32_t, podrtt_pod> pods;

    // Cached until the next renewal: ids are given out again.
    const podrtt_pod *find_pod(std::uint32_t id)
    {
        auto known = pods.find(id);
        if (known == pods.end()) {
            auto pod = maps.pods.lookup(id);
            if (!pod || !*pod)
                return nullptr;
            known = pods.emplace(id, **pod).first;
        }
        return &known->second;
    }

    bool is_wanted(const podrtt_pod *pod) const
    {
        return (options.name_space.empty() || (pod && options.name_space == pod->name_space)) &&
               (options.pod.empty() || (pod && options.pod == pod->name));
    }

    void print(const podrtt_event &event)
    {
        const podrtt_pod *pod = find_pod(event.flow.pod);
        if (is_wanted(pod))
            out << to_json(event, pod, realtime_offset_ns) << '\n';
    }
};

int on_event(void *reader, void *data, std::size_t size)
{
    podrtt_event event;
    if (size < sizeof(event))
        return 0;
    std::memcpy(&event, data, sizeof(event));
    static_cast<Reader *>(reader)->print(event);
    return 0;
}

} // namespace

std::string to_json(const podrtt_event &event, const podrtt_pod *pod, std::int64_t realtime_offset_ns)
{
    const bool network = event.leg == PODRTT_LEG_NETWORK;
    const std::string pod_address = address_text(event.flow.pod_address);
    const std::string peer_address = address_text(event.flow.peer_address);
    const int sender = event.leg, receiver = 1 - event.leg;
    const Kind *kind = find_kind(event.kind);
    const bool echo = event.kind == PODRTT_KIND_ECHO;
    // The identifier of echo messages stands at both ends, as ePPing has it.
    auto pod_port = ntohs(event.flow.pod_port | (echo ? event.flow.peer_port : 0));
    auto peer_port = ntohs(event.flow.peer_port | (echo ? event.flow.pod_port : 0));
    // The ID of a DNS query stands in the place of the server's port.
    if (event.kind == PODRTT_KIND_DNS)
        (network ? peer_port : pod_port) = 53;
    const nlohmann::ordered_json json = {
        {"timestamp",
         static_cast<double>(static_cast<std::int64_t>(event.time) + realtime_offset_ns) * 1e-9},
        {"namespace", pod ? pod->name_space : ""},
        {"pod", pod ? pod->name : ""},
        {"leg", leg_of(event.leg).name},
        {"kind", kind ? kind->name : "unknown"},
        // As of the data that was measured.
        {"src_ip", network ? pod_address : peer_address},
        {"src_port", network ? pod_port : peer_port},
        {"dest_ip", network ? peer_address : pod_address},
        {"dest_port", network ? peer_port : pod_port},
        {"protocol", kind ? kind->protocol : ""},
        {"ack", event.ack},
        {"rtt", static_cast<double>(event.rtt) * 1e-9},
        {"min_rtt", static_cast<double>(event.min_rtt) * 1e-9},
        {"sent_packets", event.packets[sender]},
        {"sent_bytes", event.bytes[sender]},
        {"rec_packets", event.packets[receiver]},
        {"rec_bytes", event.bytes[receiver]},
        {"match_on_egress", network}, // what enters the pod leaves the host veth
    };
    return json.dump();
}

Result<void> stream(const Pins &pins, const StreamOptions &options, const Fd &termination,
                    std::ostream &out)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    // A ring buffer has one reader.
    auto lock = lock_directory(pins.path("stream"), "another podrttd stream is reading");
    if (!lock)
        return std::unexpected(lock.error());
    Fd events(bpf_obj_get(pins.path(PODRTT_MAP_EVENTS).c_str()));
    if (!events)
        return failure("open pinned map", pins.path(PODRTT_MAP_EVENTS), errno);
    Reader reader = {*maps, options, out, clock_now_ns(CLOCK_REALTIME) - clock_now_ns(CLOCK_MONOTONIC), {}};
    RingBuffer ring(ring_buffer__new(events.get(), on_event, &reader, nullptr));
    if (!ring)
        return failure("read", pins.path(PODRTT_MAP_EVENTS), errno);
    bool ended = false;
    while (!ended && out) {
        const auto until = static_cast<std::uint64_t>(clock_now_ns(CLOCK_MONOTONIC)) + lease_ns;
        if (auto renewed = maps->settings.update(setting, until); !renewed)
            return renewed;
        reader.pods.clear();
        std::array<pollfd, 2> ready = {
            {{ring_buffer__epoll_fd(ring.get()), POLLIN, 0}, {termination.get(), POLLIN, 0}}};
        if (poll(ready.data(), ready.size(), renew_ms) < 0 && errno != EINTR)
            return failure("wait for", "events", errno);
        ended = ready[1].revents != 0;
        if (ended) // nothing is reported any more, and what was is printed
            if (auto stopped = maps->settings.update(setting, 0); !stopped)
                return stopped;
        ring_buffer__consume(ring.get());
        out.flush();
    }
    return maps->settings.update(setting, 0);
}

} // namespace podrtt
