// SPDX-License-Identifier: Apache-2.0
//
// Packets by chance, and true ones with bytes changed or cut off. Whatever comes: the
// verdict is TC_ACT_UNSPEC and the packet unchanged (Traffic::pass() checks both), and the
// histograms hold what the live events tell, no more and no less. The seeds are fixed; to
// try others, set PODRTT_FUZZ_SEED.
#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <tuple>

#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr int packets_a_seed = 4000;
constexpr std::uint64_t start_ns = 1'000'000'000;

class Fuzz : public testing::TestWithParam<std::uint32_t>
{
protected:
    Fuzz() : random_(seed())
    {
        traffic_.set(PODRTT_SETTING_ECHO, 1);
        traffic_.report_until(~0ull);
    }

    static std::uint32_t seed()
    {
        const char *given = std::getenv("PODRTT_FUZZ_SEED");
        return (given ? static_cast<std::uint32_t>(std::strtoul(given, nullptr, 0)) : 0) + GetParam();
    }

    std::uint32_t below(std::uint32_t limit)
    {
        return std::uniform_int_distribution<std::uint32_t>(0, limit - 1)(random_);
    }
    bool once_in(std::uint32_t times) { return below(times) == 0; }

    // Of a few connections with numbers near each other, so that data and acknowledgements
    // meet, also across the wrap.
    Packet segment()
    {
        Packet packet = {.way = once_in(2) ? Way::from_pod : Way::to_pod};
        constexpr std::uint8_t unusual[] = {SYN, SYN | ACK, FIN | ACK, RST, PSH};
        packet.flags = once_in(2) ? ACK : ACK | PSH;
        if (once_in(50))
            packet.flags =
                once_in(4) ? static_cast<std::uint8_t>(below(256)) : unusual[below(std::size(unusual))];
        packet.length = static_cast<std::uint16_t>(once_in(3) ? 0 : 100 * below(10));
        const std::uint32_t connection = below(4);
        packet.pod_port = static_cast<std::uint16_t>(40000 + connection);
        packet.version = connection % 2 ? 4 : 6;
        // Mostly in order; else again, ahead, or between two segments.
        std::uint32_t &next = next_[connection][packet.way == Way::from_pod];
        packet.seq = once_in(10) ? next + 100 * below(8) - 400 : next;
        packet.ack = next_[connection][packet.way != Way::from_pod] - (once_in(10) ? 50 * below(8) : 0);
        const std::uint32_t end = packet.seq + packet.length;
        if (static_cast<std::int32_t>(end - next) > 0)
            next = end;
        if (connection < 2)
            packet.timestamps = Timestamps{0xfffffff0 + below(64), 0xffffffe0 + below(64)};
        else if (once_in(4))
            packet.tcp_options = Bytes(std::size_t{4} * below(11), static_cast<std::uint8_t>(below(256)));
        if (packet.version == 4 && once_in(10))
            packet.ip_options = Bytes(std::size_t{4} * below(11), static_cast<std::uint8_t>(below(256)));
        if (packet.version == 4 && once_in(10))
            packet.fragment = static_cast<std::uint16_t>(below(0x10000));
        if (packet.version == 6 && once_in(5)) {
            constexpr std::uint8_t kinds[] = {0, 43, 44, 51, 60};
            packet.first_extension = kinds[below(std::size(kinds))];
            packet.extension_headers = Bytes(std::size_t{8} * (1 + below(4)), 0);
            packet.extension_headers[0] = once_in(2) ? 6 : kinds[below(std::size(kinds))];
            packet.extension_headers[1] = static_cast<std::uint8_t>(below(4));
        }
        for (; once_in(6);)
            packet.vlan_protocols.push_back(once_in(2) ? 0x8100 : 0x88a8);
        packet.padding = static_cast<std::uint16_t>(below(3) * 3);
        return packet;
    }

    void mutate(Bytes &bytes)
    {
        while (once_in(2))
            bytes[below(static_cast<std::uint32_t>(bytes.size()))] = static_cast<std::uint8_t>(below(256));
        if (once_in(4))
            bytes.resize(14 + below(static_cast<std::uint32_t>(bytes.size()) - 13));
        fill_up(bytes);
    }

    // BPF_PROG_TEST_RUN refuses a packet without the IP header that its EtherType promises.
    static void fill_up(Bytes &bytes)
    {
        const bool v4 = bytes[12] == 0x08 && bytes[13] == 0x00, v6 = bytes[12] == 0x86 && bytes[13] == 0xdd;
        bytes.resize(std::max<std::size_t>(bytes.size(), v4 ? 34 : v6 ? 54 : 15));
    }

    void check()
    {
        SamplesBy reported;
        for (const auto &event : traffic_.events()) {
            auto &samples =
                reported[{static_cast<podrtt_leg>(event.leg), static_cast<podrtt_kind>(event.kind)}];
            samples.count++;
            samples.sum_ns += event.rtt;
            EXPECT_LE(event.rtt, event.time - start_ns);
            if (event.kind == PODRTT_KIND_DATA || event.kind == PODRTT_KIND_HANDSHAKE) {
                EXPECT_LE(event.min_rtt, event.rtt);
            }
        }
        for (const auto &[key, samples] : reported) {
            all_[key].count += samples.count;
            all_[key].sum_ns += samples.sum_ns;
        }
        SamplesBy recorded = traffic_.samples();
        for (const podrtt_kind kind : {PODRTT_KIND_CONNECT, PODRTT_KIND_RECOVERY, PODRTT_KIND_RESPONSE})
            for (const podrtt_leg leg : {PODRTT_LEG_NETWORK, PODRTT_LEG_POD})
                if (const Samples waits = traffic_.waits(kind, leg); waits.count)
                    recorded[{leg, kind}] = waits;
        EXPECT_EQ(recorded, all_);
        EXPECT_EQ(traffic_.drops(PODRTT_DROP_EVENTS_FULL), 0u);
    }

    Traffic traffic_;
    std::mt19937 random_;
    std::uint32_t next_[4][2] = {
        {0xffffe000, 1000}, {5, 0x7fffff00}, {0xfffffff0, 0xfffffff1}, {0x12345678, 0}};
    SamplesBy all_;
};

TEST_P(Fuzz, NothingIsMeasuredThatIsNotReported)
{
    std::uint64_t now = start_ns;
    for (int i = 0; i < packets_a_seed && !HasFatalFailure(); i++) {
        now += once_in(500) ? 70'000'000'000 : below(5'000'000);
        const Packet packet = segment();
        Bytes bytes = packet.build();
        if (once_in(3))
            mutate(bytes);
        traffic_.pass(now, packet.way, bytes);
        if (i % 500 == 0)
            check();
    }
    check();
    EXPECT_GT((all_[{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}].count), 0u); // it is not all nonsense
    EXPECT_GT((all_[{PODRTT_LEG_POD, PODRTT_KIND_DATA}].count), 0u);
}

// Connection by port, and who sent; when data passed, by where it ends.
using Sent = std::multimap<std::tuple<std::uint16_t, bool, std::uint32_t>, std::uint64_t>;

// Whether the time that an event tells began when data passed that ends there; what was sent again may end
// before, and began then to a tick, if need be. A FIN may follow on a request.
bool began_with(const Sent &sent, const podrtt_event &event)
{
    const bool again = event.kind == PODRTT_KIND_RECOVERY;
    const std::uint64_t exact = std::uint64_t{2} * PODRTT_TIME_UNIT_NS;
    const std::uint64_t slack = again ? 2 * PODRTT_FAKE_JIFFY_NS : exact;
    return std::ranges::any_of(sent, [&](const auto &segment) {
        const auto &[port, from_pod, end] = segment.first;
        const std::uint32_t before = event.ack - end;
        const std::uint64_t elapsed = event.time - segment.second;
        return port == ntohs(event.flow.pod_port) && from_pod == (event.leg == PODRTT_LEG_NETWORK) &&
               (again                                ? before < 1u << 28
                : event.kind == PODRTT_KIND_RESPONSE ? before <= 1
                                                     : before == 0) &&
               elapsed - event.rtt + slack / 2 <= slack;
    });
}

TEST_P(Fuzz, EverySampleIsTheTimeSinceDataThatEndsThere)
{
    Sent sent;
    std::size_t samples = 0;
    std::uint64_t now = start_ns;
    for (int i = 0; i < packets_a_seed && !HasFatalFailure(); i++) {
        now += 1 + below(5'000'000);
        Packet packet = segment();
        packet.vlan_protocols.clear(); // what is ignored is not sent
        packet.extension_headers.clear();
        packet.first_extension = 6;
        packet.fragment = 0;
        const bool syn = packet.flags & SYN;
        sent.emplace(std::tuple(packet.pod_port, packet.way == Way::from_pod,
                                syn ? packet.seq + 1 : packet.seq + packet.length),
                     now);
        traffic_.pass(now, packet);
        for (const auto &event : traffic_.events()) {
            samples++;
            EXPECT_TRUE(began_with(sent, event)) << "kind " << +event.kind << '\n'
                                                 << "after " << event.rtt << " ns";
        }
    }
    EXPECT_GT(samples, 20u);
}

TEST_P(Fuzz, NoiseIsLeftAlone)
{
    for (int i = 0; i < packets_a_seed / 4 && !HasFatalFailure(); i++) {
        Bytes bytes(14 + below(200));
        for (auto &byte : bytes)
            byte = static_cast<std::uint8_t>(below(256));
        if (once_in(2)) { // past the first branch
            bytes[12] = once_in(2) ? 0x08 : 0x86;
            bytes[13] = bytes[12] == 0x08 ? 0x00 : 0xdd;
        }
        fill_up(bytes);
        traffic_.pass(start_ns + static_cast<std::uint64_t>(i), once_in(2) ? Way::from_pod : Way::to_pod,
                      bytes);
    }
    check();
}

INSTANTIATE_TEST_SUITE_P(, Fuzz, testing::Values(1, 2, 3, 4));

} // namespace
} // namespace podrtt
