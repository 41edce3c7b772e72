// SPDX-License-Identifier: Apache-2.0
//
// What the data path makes of a packet's bytes: each row is a wrapping of the same
// request, whose acknowledgement is found 10 ms later, or a packet to be left alone.
#include <gtest/gtest.h>
#include <netinet/in.h>

#include "unit-tests/support/sequence.h"
#include "unit-tests/support/traffic.h"

namespace podrtt
{
namespace
{

template <typename Row>
std::string row_name(const testing::TestParamInfo<Row> &row)
{
    return row.param.name;
}

struct Wrapping {
    const char *name;
    Packet packet; // only what it is wrapped in matters
};

void PrintTo(const Wrapping &wrapping, std::ostream *out)
{
    *out << wrapping.name;
}

class Wrapped : public testing::TestWithParam<Wrapping>
{
};

// A handshake, then 100 bytes of the pod and their acknowledgement, all so wrapped.
TEST_P(Wrapped, SegmentIsMeasured)
{
    Traffic traffic;
    auto pass = [&](std::uint64_t at, Way way, std::uint8_t flags, std::uint32_t seq, std::uint32_t ack,
                    std::uint16_t length) {
        Packet packet = GetParam().packet;
        packet.way = way;
        packet.flags = flags;
        packet.seq = seq;
        packet.ack = ack;
        packet.length = length;
        traffic.pass(at, packet);
    };
    pass(1 * ms, Way::from_pod, SYN, 999, 0, 0);
    pass(3 * ms, Way::to_pod, SYN | ACK, 4999, 1000, 0);
    pass(4 * ms, Way::from_pod, ACK, 1000, 5000, 0);
    pass(20 * ms, Way::from_pod, ACK | PSH, 1000, 5000, 100);
    pass(30 * ms, Way::to_pod, ACK, 5000, 1100, 0);

    const SamplesBy expected = {
        {{PODRTT_LEG_NETWORK, PODRTT_KIND_HANDSHAKE}, {1, 2 * ms}},
        {{PODRTT_LEG_POD, PODRTT_KIND_HANDSHAKE}, {1, 1 * ms}},
        {{PODRTT_LEG_NETWORK, PODRTT_KIND_DATA}, {1, 10 * ms}},
    };
    EXPECT_EQ(traffic.samples(), expected);
    EXPECT_EQ(traffic.flows(), 1u);
}

const Bytes hop_by_hop = {IPPROTO_TCP, 0, 1, 4, 0, 0, 0, 0};
const Bytes destination_options_16 = {IPPROTO_TCP, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
const Bytes first_of_two = {IPPROTO_ROUTING, 0, 1, 4, 0, 0, 0, 0, IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 0};
const Bytes atomic_fragment = {IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 1};
const Bytes authentication = {IPPROTO_TCP, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1,
                              0,           0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};

INSTANTIATE_TEST_SUITE_P(
    , Wrapped,
    testing::Values(
        Wrapping{"ipv4", {}}, Wrapping{"ipv6", {.version = 6}},
        Wrapping{"ipv4_options", {.ip_options = Bytes(8, 1)}},
        Wrapping{"ipv4_longest_options", {.ip_options = Bytes(40, 1)}},
        Wrapping{"ipv4_dont_fragment", {.fragment = 0x4000}},
        Wrapping{"ipv4_ethernet_padding", {.padding = 6}},
        Wrapping{"ipv6_ethernet_padding", {.version = 6, .padding = 46}},
        Wrapping{"ipv4_vlan", {.vlan_protocols = {0x8100}}},
        Wrapping{"ipv6_vlan", {.version = 6, .vlan_protocols = {0x8100}}},
        Wrapping{"ipv4_qinq", {.vlan_protocols = {0x88a8, 0x8100}}},
        Wrapping{"ipv6_hop_by_hop",
                 {.version = 6, .extension_headers = hop_by_hop, .first_extension = IPPROTO_HOPOPTS}},
        Wrapping{"ipv6_destination_options",
                 {.version = 6,
                  .extension_headers = destination_options_16,
                  .first_extension = IPPROTO_DSTOPTS}},
        Wrapping{"ipv6_two_extension_headers",
                 {.version = 6, .extension_headers = first_of_two, .first_extension = IPPROTO_HOPOPTS}},
        Wrapping{"ipv6_atomic_fragment",
                 {.version = 6, .extension_headers = atomic_fragment, .first_extension = IPPROTO_FRAGMENT}},
        Wrapping{"ipv6_authentication_header",
                 {.version = 6, .extension_headers = authentication, .first_extension = IPPROTO_AH}},
        Wrapping{"tcp_option_soup", {.tcp_options = {2, 4, 5, 180, 4, 2, 30, 4, 0, 0, 1, 1}}},
        Wrapping{"tcp_longest_options", {.tcp_options = Bytes(40, 1)}}),
    row_name<Wrapping>);

struct LeftAlone {
    const char *name;
    Bytes bytes;
    int reason; // enum podrtt_drop, or -1: passed over in silence
};

void PrintTo(const LeftAlone &row, std::ostream *out)
{
    *out << row.name;
}

class Ignored : public testing::TestWithParam<LeftAlone>
{
};

TEST_P(Ignored, IsCountedAndLeftAlone)
{
    Traffic traffic;
    for (Way way : {Way::from_pod, Way::to_pod})
        traffic.pass(1 * ms, way, GetParam().bytes);
    EXPECT_EQ(traffic.flows(), 0u);
    for (int reason = 0; reason < PODRTT_DROPS; reason++)
        EXPECT_EQ(traffic.drops(static_cast<podrtt_drop>(reason)), reason == GetParam().reason ? 2u : 0u)
            << reason;
}

// A SYN, which alone would make a flow, with some of its bytes set.
Bytes syn_with(std::initializer_list<std::pair<std::size_t, std::uint8_t>> changes,
               const Packet &packet = {.flags = SYN})
{
    Bytes bytes = packet.build();
    for (auto [offset, value] : changes)
        bytes.at(offset) = value;
    return bytes;
}

Bytes cut(Bytes bytes, std::size_t size)
{
    bytes.resize(size);
    return bytes;
}

// Offsets in an Ethernet frame without VLAN tag.
constexpr std::size_t ethertype = 12, ihl = 14, total_length = 16, fragment = 20, protocol = 23,
                      doff_v4 = 46;
constexpr std::size_t payload_length = 18, next_header = 20, doff_v6 = 66;

const Packet syn_v6 = {.flags = SYN, .version = 6};
const Packet vlan_syn = {.flags = SYN, .vlan_protocols = {0x8100}};
const Packet vlan_syn_v6 = {.flags = SYN, .version = 6, .vlan_protocols = {0x8100}};
const Packet later_fragment_v6 = {.flags = SYN,
                                  .version = 6,
                                  .extension_headers = {IPPROTO_TCP, 0, 0, 0x10, 0, 0, 0, 1},
                                  .first_extension = IPPROTO_FRAGMENT};
const Packet short_authentication = {.flags = SYN,
                                     .version = 6,
                                     .extension_headers = {IPPROTO_TCP, 0, 0, 0, 0, 0, 0, 1},
                                     .first_extension = IPPROTO_AH};
const Packet endless_extensions = {
    .flags = SYN, .version = 6, .extension_headers = Bytes(64, 0), .first_extension = IPPROTO_HOPOPTS};

INSTANTIATE_TEST_SUITE_P(
    , Ignored,
    testing::Values(
        LeftAlone{"arp", syn_with({{ethertype, 0x08}, {ethertype + 1, 0x06}}), -1},
        LeftAlone{"udp", syn_with({{protocol, IPPROTO_UDP}}), -1},
        LeftAlone{"icmpv6", syn_with({{next_header, IPPROTO_ICMPV6}}, syn_v6), -1},
        LeftAlone{"ipv6_no_next_header", syn_with({{next_header, IPPROTO_NONE}}, syn_v6), -1},
        LeftAlone{"ipv6_too_many_extension_headers", endless_extensions.build(), -1},
        LeftAlone{"ipv4_later_fragment", syn_with({{fragment, 0x00}, {fragment + 1, 0x10}}),
                  PODRTT_DROP_FRAGMENT},
        LeftAlone{"ipv6_later_fragment", later_fragment_v6.build(), PODRTT_DROP_FRAGMENT},
        LeftAlone{"ipv4_header_too_short", syn_with({{ihl, 0x44}}), PODRTT_DROP_BAD_HEADER},
        LeftAlone{"ipv4_header_longer_than_packet", syn_with({{ihl, 0x4f}}), PODRTT_DROP_BAD_HEADER},
        LeftAlone{"ipv4_shorter_than_its_header", syn_with({{total_length + 1, 19}}),
                  PODRTT_DROP_BAD_HEADER},
        LeftAlone{"ipv4_no_length_without_gso", syn_with({{total_length + 1, 0}}), PODRTT_DROP_BAD_HEADER},
        LeftAlone{"ipv4_longer_than_the_frame", syn_with({{total_length + 1, 41}}), PODRTT_DROP_TRUNCATED},
        LeftAlone{"ipv6_longer_than_the_frame", syn_with({{payload_length + 1, 21}}, syn_v6),
                  PODRTT_DROP_TRUNCATED},
        // Behind a VLAN tag: BPF_PROG_TEST_RUN itself refuses an IP header cut off.
        LeftAlone{"ipv4_header_cut", cut(vlan_syn.build(), 18 + 19), PODRTT_DROP_TRUNCATED},
        LeftAlone{"ipv6_header_cut", cut(vlan_syn_v6.build(), 18 + 39), PODRTT_DROP_TRUNCATED},
        LeftAlone{"vlan_tag_cut", cut(vlan_syn.build(), 17), PODRTT_DROP_TRUNCATED},
        LeftAlone{"ipv4_tcp_header_cut", cut(syn_with({}), 14 + 39), PODRTT_DROP_TRUNCATED},
        LeftAlone{"ipv4_no_tcp_header", cut(syn_with({{total_length + 1, 20}}), 34), PODRTT_DROP_TRUNCATED},
        LeftAlone{"tcp_header_too_short", syn_with({{doff_v4, 0x40}}), PODRTT_DROP_BAD_HEADER},
        LeftAlone{"tcp_header_longer_than_segment", syn_with({{doff_v4, 0x60}}), PODRTT_DROP_BAD_HEADER},
        LeftAlone{"tcp_header_longer_than_segment_v6", syn_with({{doff_v6, 0xf0}}, syn_v6),
                  PODRTT_DROP_BAD_HEADER},
        LeftAlone{"ipv6_authentication_header_too_short", short_authentication.build(),
                  PODRTT_DROP_BAD_HEADER}),
    row_name<LeftAlone>);

} // namespace
} // namespace podrtt
