// SPDX-License-Identifier: Apache-2.0
#include "unit-tests/support/packet.h"

#include <netinet/in.h>

namespace podrtt
{
namespace
{

void append(Bytes &to, const Bytes &from)
{
    to.insert(to.end(), from.begin(), from.end());
}

Bytes timestamps_option(const Timestamps &timestamps)
{
    Bytes option = {1, 1, 8, 10};
    put(option, timestamps.tsval, 4);
    put(option, timestamps.tsecr, 4);
    return option;
}

Bytes tcp_segment(const Packet &packet)
{
    const bool from_pod = packet.way == Way::from_pod;
    Bytes options = packet.timestamps ? timestamps_option(*packet.timestamps) : packet.tcp_options;
    Bytes bytes;
    put(bytes, from_pod ? packet.pod_port : packet.peer_port, 2);
    put(bytes, from_pod ? packet.peer_port : packet.pod_port, 2);
    put(bytes, packet.seq, 4);
    put(bytes, packet.ack, 4);
    put(bytes, (5 + options.size() / 4) << 4, 1);
    put(bytes, packet.flags, 1);
    put(bytes, 0x7210, 2); // window
    put(bytes, 0, 4);      // checksum, urgent pointer
    append(bytes, options);
    bytes.resize(bytes.size() + packet.length, 'x');
    return bytes;
}

Bytes udp_datagram(const Packet &packet)
{
    const bool from_pod = packet.way == Way::from_pod;
    Bytes bytes;
    put(bytes, from_pod ? packet.pod_port : packet.peer_port, 2);
    put(bytes, from_pod ? packet.peer_port : packet.pod_port, 2);
    put(bytes, 8 + packet.datagram->size() + packet.udp_length_beyond, 2);
    put(bytes, 0, 2);
    append(bytes, *packet.datagram);
    return bytes;
}

Bytes ip_packet(const Packet &packet)
{
    const bool from_pod = packet.way == Way::from_pod;
    const Bytes segment = packet.datagram ? udp_datagram(packet) : tcp_segment(packet);
    const std::uint8_t protocol = packet.datagram ? IPPROTO_UDP : IPPROTO_TCP;
    Bytes bytes;
    Bytes pod, peer;
    if (packet.version == 4) {
        pod = {10, 0, 0, 1};
        peer = {192, 0, 2, 1};
        put(bytes, 0x45 + packet.ip_options.size() / 4, 1);
        put(bytes, 0, 1);
        put(bytes, 20 + packet.ip_options.size() + segment.size(), 2);
        put(bytes, 0, 2);
        put(bytes, packet.fragment, 2);
        put(bytes, 64, 1);
        put(bytes, protocol, 1);
        put(bytes, 0, 2);
    } else {
        pod = {0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        peer = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
        put(bytes, 0x60000000, 4);
        put(bytes, packet.extension_headers.size() + segment.size(), 2);
        put(bytes, packet.extension_headers.empty() && packet.datagram ? protocol : packet.first_extension,
            1);
        put(bytes, 64, 1);
    }
    append(bytes, from_pod ? pod : peer);
    append(bytes, from_pod ? peer : pod);
    append(bytes, packet.version == 4 ? packet.ip_options : packet.extension_headers);
    append(bytes, segment);
    return bytes;
}

} // namespace

void put(Bytes &bytes, std::uint64_t number, int size)
{
    while (size-- > 0)
        bytes.push_back(static_cast<std::uint8_t>(number >> 8 * size));
}

Bytes Packet::build() const
{
    Bytes bytes = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    for (std::uint16_t protocol : vlan_protocols) {
        put(bytes, protocol, 2);
        put(bytes, 100, 2); // VLAN id
    }
    put(bytes, version == 4 ? 0x0800 : 0x86dd, 2);
    append(bytes, ip_packet(*this));
    bytes.resize(bytes.size() + padding);
    return bytes;
}

} // namespace podrtt
