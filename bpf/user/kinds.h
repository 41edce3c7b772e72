// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The words for what the kernel counts: one row a kind, leg, matching, form and drop reason. Metrics, the
// page, the terminal views, dashboards and documentation take them from here; a row more, and it shows.
// manifests/dashboards/dashboards.py reads the kinds and legs from this file.
#pragma once

#include <cstddef>
#include <iterator>
#include <span>
#include <string>

#include "bpf/podrtt.h"

namespace podrtt
{

// What is timed. The first row is what a latency is by default.
struct Kind {
    podrtt_kind kind;
    const char *name;     // in JSON and in podrttd stream
    const char *metric;   // podrtt_<metric>_seconds, podrtt_namespace_<metric>_seconds
    const char *title;    // of a column or a panel
    const char *protocol; // of the packets
    const char *help;
};

inline constexpr Kind kinds[] = {
    {PODRTT_KIND_DATA, "data", "tcp_rtt", "Round trip", "TCP",
     "TCP round-trip time between data and its acknowledgement."},
    {PODRTT_KIND_HANDSHAKE, "handshake", "tcp_handshake", "Handshake", "TCP",
     "TCP round-trip time of connection handshakes."},
    {PODRTT_KIND_FLOOR, "floor", "tcp_min_rtt", "Floor", "TCP",
     "Smallest TCP round-trip time of each connection in each 10 s."},
    {PODRTT_KIND_ECHO, "echo", "icmp_rtt", "Ping", "ICMP",
     "Round-trip time between ICMP echo requests and their replies."},
    {PODRTT_KIND_CONNECT, "connect", "tcp_connect", "Connect", "TCP",
     "Time from a connection's first SYN to the SYN-ACK that answers it, however often the SYN was sent."},
    {PODRTT_KIND_RECOVERY, "recovery", "tcp_recovery", "Recovery", "TCP",
     "Time from the first sending of data that had to be sent again to its acknowledgement."},
    {PODRTT_KIND_RESPONSE, "response", "tcp_response", "Response", "TCP",
     "Time from the last byte of a request to the first byte of its answer."},
    {PODRTT_KIND_DNS, "dns", "dns", "DNS", "UDP",
     "Time from a DNS query to its answer, however often the query was sent."},
};
static_assert(std::size(kinds) == PODRTT_KINDS);

struct Leg {
    podrtt_leg leg;
    const char *name;
    const char *help;
};

inline constexpr Leg legs[] = {
    {PODRTT_LEG_NETWORK, "network", "From the pod's veth to the peer and back."},
    {PODRTT_LEG_POD, "pod", "From the pod's veth through the pod's own stack and back."},
};
static_assert(std::size(legs) == PODRTT_LEGS);

// Of what needs no more than a name.
template <typename Number>
struct Word {
    Number number;
    const char *name;
};

// The last is that of all parts of the peers.
inline constexpr Word<podrtt_matching> matchings[] = {
    {PODRTT_MATCHING_TIMESTAMPS, "timestamps"},
    {PODRTT_MATCHING_SEQUENCE, "sequence"},
    {PODRTT_MATCHING_NONE, "none"},
};

// What is counted beside times, of each pod and namespace, by leg. Bucket first + n counts what values[n]
// names; the last name is that of the others of its buckets, too.
struct Count {
    podrtt_count first;
    unsigned buckets;
    const char *metric; // podrtt_pod_<metric>_total, podrtt_namespace_<metric>_total
    const char *label;  // of its values; none if it has only one
    std::span<const char *const> values;
    const char *help;
};

inline constexpr const char *one_value[] = {""};
inline constexpr const char *connect_results[] = {"begun", "answered", "refused"};
static_assert(std::size(connect_results) == PODRTT_CONNECT_RESULTS);
inline constexpr const char *response_codes[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                                 "NOTIMP",  "REFUSED", "other"};

// Of connects that were begun, of answers with a code, …
constexpr unsigned bucket_of(podrtt_count first, unsigned value)
{
    return static_cast<unsigned>(first) + value;
}

inline constexpr Count counts[] = {
    {PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_RESULTS, "connects", "result", connect_results,
     "Connections begun, by the pod (leg network) or to it (leg pod), answered, and refused."},
    {PODRTT_COUNT_RESENT, 1, "resent_packets", nullptr, one_value,
     "TCP packets sent again, by the pod (leg network) or to it (leg pod)."},
    {PODRTT_COUNT_DNS_QUERIES, 1, "dns_queries", nullptr, one_value,
     "DNS queries of the pod (leg network) or to it (leg pod), each once."},
    {PODRTT_COUNT_DNS_ANSWERS, 16, "dns_answers", "rcode", response_codes,
     "DNS answers to these queries, by response code."},
};

// What connections are opened and closed by, as ePPing has it.
inline constexpr Word<podrtt_reason> reasons[] = {
    {PODRTT_REASON_SYN_ACK, "SYN-ACK"},
    {PODRTT_REASON_FIRST, "first observed packet"},
    {PODRTT_REASON_FIN, "FIN"},
    {PODRTT_REASON_RST, "RST"},
};
static_assert(std::size(reasons) == PODRTT_REASONS);

// Of --attach, and in podrtt_pod_attached.
inline constexpr Word<podrtt_attach> forms[] = {
    {PODRTT_ATTACH_AUTO, "auto"},
    {PODRTT_ATTACH_CLSACT, "clsact"},
    {PODRTT_ATTACH_TCX, "tcx"},
    {PODRTT_ATTACH_POD, "pod"},
};

// What was left out: a metric for each thing, a label for each reason.
struct DropFamily {
    const char *metric;
    const char *help;
};

inline constexpr DropFamily ignored_packets = {"podrtt_ignored_packets_total",
                                               "Packets left alone, by reason."};
inline constexpr DropFamily dropped_samples = {"podrtt_dropped_samples_total",
                                               "Samples left out, by reason."};
inline constexpr DropFamily dropped_events = {
    "podrtt_dropped_events_total", "Live events left out, by reason; their samples are in the histograms."};
inline constexpr DropFamily unmeasured_adds = {
    "podrtt_unmeasured_adds_total", "Interfaces that the plugin could not attach to, by reason."};
inline constexpr DropFamily evicted_flows = {"podrtt_evicted_flows_total",
                                             "Connections that made room for newer ones, by reason."};

inline constexpr const DropFamily *drop_families[] = {&ignored_packets, &dropped_samples, &dropped_events,
                                                      &unmeasured_adds, &evicted_flows};

struct Drop {
    podrtt_drop drop;
    const DropFamily *family;
    const char *reason;
    const char *what; // in plain words
    bool harms;       // counts or pods are missing: podrttd doctor warns of it
};

inline constexpr Drop drops[] = {
    {PODRTT_DROP_TRUNCATED, &ignored_packets, "truncated", "packets cut short", false},
    {PODRTT_DROP_BAD_HEADER, &ignored_packets, "bad_header", "packets with headers that cannot be", false},
    {PODRTT_DROP_FRAGMENT, &ignored_packets, "fragment", "fragments of packets", false},
    {PODRTT_DROP_STALE, &dropped_samples, "stale", "times over 64 s", false},
    {PODRTT_DROP_HISTOGRAMS_FULL, &dropped_samples, "histogram_map_full",
     "samples without room for their histogram", true},
    {PODRTT_DROP_EVENTS_FULL, &dropped_events, "reader_too_slow", "lines that podrttd stream missed",
     false},
    {PODRTT_DROP_NO_VETH, &unmeasured_adds, "no_veth", "interfaces of pods that are no veth", true},
    {PODRTT_DROP_ADD_FAILED, &unmeasured_adds, "failed", "pods that the plugin failed to attach to", true},
    {PODRTT_DROP_FLOW_UNANSWERED, &evicted_flows, "unanswered",
     "connections without an answer that made room", false},
    {PODRTT_DROP_FLOW_IDLE, &evicted_flows, "longest_idle", "idle connections that made room", false},
    {PODRTT_DROP_NO_POD, &ignored_packets, "no_pod", "packets of pods that are gone", false},
    {PODRTT_DROP_ADD_LATE, &unmeasured_adds, "deadline", "pods that the plugin had no time for", true},
    {PODRTT_DROP_DNS_UNASKED, &ignored_packets, "dns_unasked", "DNS answers that nobody asked for", false},
    {PODRTT_DROP_DNS_TRUNCATED, &ignored_packets, "dns_truncated", "DNS messages cut short", false},
};
static_assert(std::size(drops) == PODRTT_DROPS);

// Each table has its rows in the order of its enum.
template <typename Row, std::size_t size, typename Number>
constexpr bool is_in_order(const Row (&rows)[size], Number Row::*number)
{
    for (std::size_t i = 0; i < size; i++)
        if (static_cast<std::size_t>(rows[i].*number) != i)
            return false;
    return true;
}
static_assert(is_in_order(kinds, &Kind::kind) && is_in_order(legs, &Leg::leg) &&
              is_in_order(matchings, &Word<podrtt_matching>::number) &&
              is_in_order(forms, &Word<podrtt_attach>::number) &&
              is_in_order(reasons, &Word<podrtt_reason>::number) && is_in_order(drops, &Drop::drop));

// Numbers from maps may be another version's.
constexpr const Kind *find_kind(unsigned number)
{
    return number < std::size(kinds) ? &kinds[number] : nullptr;
}

constexpr const Kind &kind_of(podrtt_kind kind)
{
    return kinds[kind];
}

constexpr const Leg &leg_of(unsigned number)
{
    return legs[number % PODRTT_LEGS];
}

constexpr const Word<podrtt_attach> &form_of(podrtt_attach form)
{
    return forms[form];
}

} // namespace podrtt
