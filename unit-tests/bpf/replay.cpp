// SPDX-License-Identifier: Apache-2.0
//
// Lets packets of a capture pass through the programs, by the capture's own clock.
//
//   replay CAPTURE < PACKETS
//
// PACKETS has a line for each that is to pass, in their order: its number, as tshark counts, and ">" from
// the pod or "<" to the pod. Prints a line for each sample: the number of the packet that ended it, the
// kind, the leg and nanoseconds.
#define PCAP_DONT_INCLUDE_PCAP_BPF_H // has another struct bpf_insn than the kernel's
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <pcap/pcap.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <iostream>
#include <ranges>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/handle.h"
#include "bpf/user/kinds.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t flows = 64 * 1024;
constexpr std::uint64_t start_ns = 1'000'000'000'000; // of a clock that has run for a while
constexpr std::size_t ethernet_header = 14, ethernet_type = 12;

// What a network driver would have given to the kernel: an Ethernet header, and all of the packet.
Bytes as_ethernet(int link_type, const pcap_pkthdr &header, const std::uint8_t *data)
{
    Bytes captured(data, data + header.caplen);
    captured.resize(std::max(header.len, header.caplen));
    const auto replaced = [&](std::size_t size) {
        if (captured.size() <= size)
            throw std::runtime_error("a packet is shorter than its link's header");
        const bool v6 = captured[size] >> 4 == 6;
        Bytes packet(ethernet_header + captured.size() - size);
        packet[ethernet_type] = v6 ? 0x86 : 0x08;
        packet[ethernet_type + 1] = v6 ? 0xdd : 0x00;
        std::ranges::copy(captured | std::views::drop(size), packet.begin() + ethernet_header);
        return packet;
    };
    switch (link_type) {
    case DLT_EN10MB:
        return captured;
    case DLT_RAW:
    case DLT_IPV4:
    case DLT_IPV6:
        return replaced(0);
    case DLT_NULL:
    case DLT_LOOP:
        return replaced(4);
    case DLT_LINUX_SLL:
        return replaced(16);
    case DLT_LINUX_SLL2:
        return replaced(20);
    default:
        throw std::runtime_error("a kind of link that is not read: " + std::to_string(link_type));
    }
}

// The kernel runs programs on packets of up to a page. Longer ones are those of segmentation offload, and
// here what the network card makes of them: segments of one moment, the last of which ends the write.
std::vector<Bytes> segments(const Bytes &packet)
{
    constexpr std::size_t most = 3400;
    constexpr std::size_t ip = ethernet_header;
    const bool v4 =
        packet.size() > most && packet[ethernet_type] == 0x08 && packet[ethernet_type + 1] == 0x00;
    const bool v6 =
        packet.size() > most && packet[ethernet_type] == 0x86 && packet[ethernet_type + 1] == 0xdd;
    if (!(v4 && packet[ip + 9] == IPPROTO_TCP) && !(v6 && packet[ip + 6] == IPPROTO_TCP))
        return {packet};
    const std::size_t tcp = ip + (v6 ? 40 : (packet[ip] & 0xfu) * 4);
    const std::size_t data = tcp + (packet[tcp + 12] >> 4) * 4u;
    const auto read = [&](std::size_t at, std::size_t size) {
        std::uint32_t number = 0;
        for (std::size_t i = at; i < at + size; i++)
            number = number << 8 | packet[i];
        return number;
    };
    const auto write = [](Bytes &bytes, std::size_t at, std::size_t size, std::size_t number) {
        for (std::size_t i = 0; i < size; i++)
            bytes[at + i] = static_cast<std::uint8_t>(number >> 8 * (size - 1 - i));
    };
    const std::size_t end = v6 ? tcp + read(ip + 4, 2) : ip + read(ip + 2, 2);
    std::vector<Bytes> cut;
    for (std::size_t from = data; from < end; from += most - data) {
        const std::size_t to = std::min(end, from + most - data);
        Bytes segment(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(data));
        segment.insert(segment.end(), packet.begin() + static_cast<std::ptrdiff_t>(from),
                       packet.begin() + static_cast<std::ptrdiff_t>(to));
        write(segment, v6 ? ip + 4 : ip + 2, 2, segment.size() - (v6 ? tcp : ip));
        write(segment, tcp + 4, 4, read(tcp + 4, 4) + (from - data));
        if (to < end)
            segment[tcp + 13] &= static_cast<std::uint8_t>(~(FIN | PSH));
        cut.push_back(std::move(segment));
    }
    return cut;
}

void print_samples(Traffic &traffic, std::uint64_t number)
{
    for (const podrtt_event &event : traffic.events())
        std::cout << number << '\t' << kind_of(static_cast<podrtt_kind>(event.kind)).name << '\t'
                  << leg_of(event.leg).name << '\t' << event.rtt << '\n';
}

void replay(const std::string &path)
{
    std::array<char, PCAP_ERRBUF_SIZE> error = {};
    const Handle<pcap_t, pcap_close> capture(
        pcap_open_offline_with_tstamp_precision(path.c_str(), PCAP_TSTAMP_PRECISION_NANO, error.data()));
    if (!capture)
        throw std::runtime_error(error.data());

    Traffic traffic(0, flows);
    traffic.set(PODRTT_SETTING_DNS, 1);
    traffic.report_until(~0ull);
    const auto time_of = [](const pcap_pkthdr &header) {
        if (header.ts.tv_usec >= 1'000'000'000)
            throw std::runtime_error("a packet's time cannot be");
        return static_cast<std::int64_t>(header.ts.tv_sec) * 1'000'000'000 + header.ts.tv_usec;
    };
    std::uint64_t number = 0;
    std::int64_t first = 0;
    std::uint64_t now = start_ns;
    std::uint64_t wanted = 0;
    char way = 0;
    while (std::cin >> wanted >> way) {
        pcap_pkthdr *header = nullptr;
        const std::uint8_t *data = nullptr;
        while (number < wanted) {
            if (pcap_next_ex(capture.get(), &header, &data) != 1)
                throw std::runtime_error("the capture ends before packet " + std::to_string(wanted));
            if (++number == 1)
                first = time_of(*header);
        }
        // A clock that was set back while it was captured: ours never is.
        now = std::max(now, start_ns + static_cast<std::uint64_t>(
                                           std::max<std::int64_t>(time_of(*header) - first, 0)));
        for (const Bytes &segment : segments(as_ethernet(pcap_datalink(capture.get()), *header, data)))
            traffic.pass(now, way == '>' ? Way::from_pod : Way::to_pod, segment);
        print_samples(traffic, number);
    }
}

} // namespace
} // namespace podrtt

int main(int argc, char **argv)
{
    testing::InitGoogleTest(&argc, argv);
    GTEST_FLAG_SET(throw_on_failure, true);
    if (argc != 2) {
        std::cerr << "usage: replay CAPTURE < PACKETS\n";
        return 2;
    }
    try {
        podrtt::replay(argv[1]);
    } catch (const std::exception &error) {
        std::cerr << "replay: " << argv[1] << ": " << error.what() << '\n';
        return 1;
    }
    return 0;
}
