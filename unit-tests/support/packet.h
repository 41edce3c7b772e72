// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace podrtt
{

using Bytes = std::vector<std::uint8_t>;

enum class Way { from_pod, to_pod };

constexpr std::uint8_t FIN = 0x01, SYN = 0x02, RST = 0x04, PSH = 0x08, ACK = 0x10;

struct Timestamps {
    std::uint32_t tsval;
    std::uint32_t tsecr;
};

// A TCP segment, or a datagram, between a pod (10.0.0.1:40000, fd00::1) and its peer (192.0.2.1:80,
// 2001:db8::1), and how it is wrapped. Checksums are left 0: nothing here looks at them.
struct Packet {
    Way way = Way::from_pod;
    std::uint8_t flags = ACK;
    std::uint32_t seq = 0;
    std::uint32_t ack = 0;
    std::uint16_t length = 0; // bytes of payload
    std::optional<Timestamps> timestamps = {};

    int version = 4;
    std::uint16_t pod_port = 40000;
    std::uint16_t peer_port = 80;
    std::optional<Bytes> datagram = {};             // UDP with this payload, instead of TCP
    std::uint16_t udp_length_beyond = 0;            // what its header claims more than there is
    std::vector<std::uint16_t> vlan_protocols = {}; // 0x8100, 0x88a8
    Bytes ip_options = {};                          // IPv4; a multiple of 4
    Bytes extension_headers = {};                   // IPv6; the first one's kind is in first_extension
    std::uint8_t first_extension = 6;
    Bytes tcp_options = {};     // instead of timestamps; a multiple of 4
    std::uint16_t fragment = 0; // IPv4: flags and offset
    std::uint16_t padding = 0;  // bytes behind the IP packet

    Bytes build() const;
};

// A packet, and when it passes.
struct Step {
    std::uint64_t at_ns;
    Packet packet;
};

// Appends a number in network byte order.
void put(Bytes &bytes, std::uint64_t number, int size);

} // namespace podrtt
