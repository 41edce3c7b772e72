// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/event_format.h"

#include <arpa/inet.h>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>

#include <array>
#include <cstring>
#include <ctime>
#include <iterator>
#include <nlohmann/json.hpp>

#include "bpf/user/json_text.h"

namespace podrtt
{
namespace
{

constexpr std::uint64_t second = 1'000'000'000, millisecond = 1'000'000;
constexpr std::uint16_t dns_port = 53;

constexpr std::array<__u8, 12> v4_mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// Bytes of a v4-mapped or IPv6 address, in network byte order.
bool is_v4(const __u8 (&address)[16])
{
    return std::memcmp(address, v4_mapped.data(), v4_mapped.size()) == 0;
}

std::string address_text(const __u8 (&address)[16])
{
    std::array<char, INET6_ADDRSTRLEN> text;
    if (is_v4(address))
        inet_ntop(AF_INET, address + v4_mapped.size(), text.data(), text.size());
    else
        inet_ntop(AF_INET6, address, text.data(), text.size());
    return text.data();
}

// The identifier of echo messages stands at both ends, as ePPing has it; the ID of a DNS query stands in
// the place of the server's port.
std::uint16_t port_of(const podrtt_event &event, __be16 own, __be16 other, podrtt_leg servers_leg)
{
    if (event.kind == PODRTT_KIND_ECHO)
        return ntohs(own | other);
    if (event.kind == PODRTT_KIND_DNS && event.leg == servers_leg)
        return dns_port;
    return ntohs(own);
}

std::string protocol_of(const podrtt_event &event)
{
    const Kind *kind = find_kind(event.kind);
    if (event.kind == PODRTT_KIND_ECHO && !is_v4(event.flow.pod_address))
        return "ICMPv6";
    return kind ? kind->protocol : is_of_connection(event) ? "TCP" : "";
}

std::string flow_text(const End &source, const End &destination)
{
    return fmt::format("{}:{}+{}:{}", source.address, source.port, destination.address, destination.port);
}

const char *kind_name(const podrtt_event &event)
{
    const Kind *kind = find_kind(event.kind);
    return kind ? kind->name : "unknown";
}

const char *name_space(const ShownEvent &shown)
{
    return shown.pod ? shown.pod->name_space : "";
}

const char *pod_name(const ShownEvent &shown)
{
    return shown.pod ? shown.pod->name : "";
}

const char *happening(const podrtt_event &event)
{
    return event.kind == PODRTT_KIND_OPENED ? "opening" : "closing";
}

const char *reason_of(const podrtt_event &event)
{
    return event.rtt < std::size(reasons) ? reasons[event.rtt].name : "unknown";
}

// In the order of ePPing, which prints the first six of either.
std::string to_json(const ShownEvent &shown, std::uint64_t time, const End &source, const End &destination)
{
    using Json = nlohmann::ordered_json;
    const podrtt_event &event = *shown.event;
    const int sender = event.leg, receiver = 1 - event.leg; // of what was measured
    Json json = {{"timestamp", time},
                 {"src_ip", source.address},
                 {"src_port", source.port},
                 {"dest_ip", destination.address},
                 {"dest_port", destination.port},
                 {"protocol", protocol_of(event)}};
    if (is_of_connection(event))
        json.update(Json{{"flow_event", happening(event)},
                         {"reason", reason_of(event)},
                         {"triggered_by", "src"}, // who has sent the packet that told
                         {"namespace", name_space(shown)},
                         {"pod", pod_name(shown)},
                         {"peer", shown.peer}});
    else
        json.update(Json{{"rtt", event.rtt},
                         {"min_rtt", event.min_rtt},
                         {"sent_packets", event.packets[sender]},
                         {"sent_bytes", event.bytes[sender]},
                         {"rec_packets", event.packets[receiver]},
                         {"rec_bytes", event.bytes[receiver]},
                         // What enters the pod leaves the host veth.
                         {"match_on_egress", (event.leg == PODRTT_LEG_NETWORK) != shown.reversed},
                         {"namespace", name_space(shown)},
                         {"pod", pod_name(shown)},
                         {"leg", leg_of(event.leg).name},
                         {"kind", kind_name(event)},
                         {"peer", shown.peer},
                         {"ack", event.ack}});
    return to_text(json);
}

std::string seconds_text(std::uint64_t ns)
{
    return fmt::format("{}.{:09}", ns / second, ns % second);
}

std::string milliseconds_text(std::uint64_t ns)
{
    return fmt::format("{}.{:06} ms", ns / millisecond, ns % millisecond);
}

std::string clock_text(std::uint64_t time)
{
    const auto whole = static_cast<std::time_t>(time / second);
    tm local = {};
    localtime_r(&whole, &local);
    return fmt::format("{:%H:%M:%S}.{:09}", local, time % second);
}

std::string pod_text(const ShownEvent &shown)
{
    return fmt::format("{}/{}", name_space(shown), pod_name(shown));
}

} // namespace

End pod_end(const podrtt_event &event)
{
    return {address_text(event.flow.pod_address),
            port_of(event, event.flow.pod_port, event.flow.peer_port, PODRTT_LEG_POD)};
}

End peer_end(const podrtt_event &event)
{
    return {address_text(event.flow.peer_address),
            port_of(event, event.flow.peer_port, event.flow.pod_port, PODRTT_LEG_NETWORK)};
}

bool is_of_connection(const podrtt_event &event)
{
    return event.kind == PODRTT_KIND_OPENED || event.kind == PODRTT_KIND_CLOSED;
}

std::string format_event(const ShownEvent &shown, EventFormat format)
{
    const podrtt_event &event = *shown.event;
    const bool network = event.leg == PODRTT_LEG_NETWORK; // the peer has answered
    const End source = network ? peer_end(event) : pod_end(event);
    const End destination = network ? pod_end(event) : peer_end(event);
    const std::uint64_t time = event.time + static_cast<std::uint64_t>(shown.realtime_offset_ns);
    const std::string flow = flow_text(source, destination);
    switch (format) {
    case EventFormat::ppviz:
        return is_of_connection(event)
                   ? ""
                   : fmt::format("{} {} {} {}", seconds_text(time), seconds_text(event.rtt),
                                 seconds_text(event.min_rtt), flow);
    case EventFormat::standard:
        if (is_of_connection(event))
            return fmt::format("{} {} {} {} due to {} from src {}", clock_text(time), protocol_of(event),
                               flow, happening(event), reason_of(event), pod_text(shown));
        return fmt::format("{} {} {} {} {} {} {} {}", clock_text(time), milliseconds_text(event.rtt),
                           milliseconds_text(event.min_rtt), protocol_of(event), flow, pod_text(shown),
                           leg_of(event.leg).name, kind_name(event));
    default:
        return to_json(shown, time, source, destination);
    }
}

} // namespace podrtt
