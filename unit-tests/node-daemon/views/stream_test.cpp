// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/stream.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "node-daemon/counts/peer_classes.h"

namespace podrtt
{
namespace
{

podrtt_event event_between(const char *pod, const char *peer)
{
    podrtt_event event = {};
    event.time = 2'000'000'000;
    event.rtt = 10'500'000;
    event.min_rtt = 9'000'000;
    event.bytes[PODRTT_LEG_NETWORK] = 100;
    event.bytes[PODRTT_LEG_POD] = 500;
    event.packets[PODRTT_LEG_NETWORK] = 3;
    event.packets[PODRTT_LEG_POD] = 2;
    event.flow.pod_port = htons(40000);
    event.flow.peer_port = htons(80);
    inet_pton(AF_INET6, pod, event.flow.pod_address);
    inet_pton(AF_INET6, peer, event.flow.peer_address);
    event.ack = 1100;
    return event;
}

podrtt_pod named(const char *name_space, const char *name)
{
    podrtt_pod pod = {};
    std::string(name_space).copy(pod.name_space, sizeof(pod.name_space));
    std::string(name).copy(pod.name, sizeof(pod.name));
    return pod;
}

nlohmann::json as_json(const podrtt_event &event, const podrtt_pod *pod = nullptr, std::int64_t offset = 0)
{
    return nlohmann::json::parse(format_event({&event, pod, "private", offset}, EventFormat::jsonl));
}

// Field by field as pping.c prints an rtt_event: the flow is that of the answer, whose sender is the
// source; what was sent is counted of the data's sender.
TEST(EventFormat, IsThatOfEPPing)
{
    const podrtt_event event = event_between("::ffff:10.0.0.1", "::ffff:192.0.2.1");
    const podrtt_pod pod = named("shop", "web-0");
    const auto json = as_json(event, &pod, 500'000'000);
    EXPECT_EQ(json["timestamp"], 2'500'000'000u);
    EXPECT_EQ(json["src_ip"], "192.0.2.1");
    EXPECT_EQ(json["src_port"], 80);
    EXPECT_EQ(json["dest_ip"], "10.0.0.1");
    EXPECT_EQ(json["dest_port"], 40000);
    EXPECT_EQ(json["protocol"], "TCP");
    EXPECT_EQ(json["rtt"], 10'500'000);
    EXPECT_TRUE(json["rtt"].is_number_integer());
    EXPECT_EQ(json["min_rtt"], 9'000'000);
    EXPECT_EQ(json["sent_bytes"], 100);
    EXPECT_EQ(json["rec_bytes"], 500);
    EXPECT_EQ(json["sent_packets"], 3);
    EXPECT_EQ(json["rec_packets"], 2);
    EXPECT_EQ(json["match_on_egress"], true);
    EXPECT_EQ(format_event({&event, &pod, "", 500'000'000}, EventFormat::ppviz),
              "2.500000000 0.010500000 0.009000000 192.0.2.1:80+10.0.0.1:40000");
    EXPECT_THAT(format_event({&event, &pod, "", 500'000'000}, EventFormat::standard),
                testing::MatchesRegex("[0-9:]+\\.500000000 10.500000 ms 9.000000 ms TCP "
                                      "192.0.2.1:80.10.0.0.1:40000 shop/web-0 network data"));
}

// As pping.c prints a flow_event.
TEST(EventFormat, OfConnectionsIsThatOfEPPing)
{
    podrtt_event event = event_between("::ffff:10.0.0.1", "::ffff:192.0.2.1");
    event.kind = PODRTT_KIND_OPENED;
    event.rtt = PODRTT_REASON_SYN_ACK;
    const podrtt_pod pod = named("shop", "web-0");
    EXPECT_EQ(
        format_event({&event, &pod, "private", 500'000'000}, EventFormat::jsonl),
        R"({"timestamp":2500000000,"src_ip":"192.0.2.1","src_port":80,"dest_ip":"10.0.0.1","dest_port":40000,)"
        R"("protocol":"TCP","flow_event":"opening","reason":"SYN-ACK","triggered_by":"src",)"
        R"("namespace":"shop","pod":"web-0","peer":"private"})");
    event.kind = PODRTT_KIND_CLOSED;
    event.leg = PODRTT_LEG_POD;
    event.rtt = PODRTT_REASON_FIN;
    EXPECT_THAT(
        format_event({&event, &pod, "", 500'000'000}, EventFormat::standard),
        testing::MatchesRegex("[0-9:]+\\.500000000 TCP 10.0.0.1:40000.192.0.2.1:80 closing due to FIN from "
                              "src shop/web-0"));
    EXPECT_EQ(format_event({&event, &pod, "", 0}, EventFormat::ppviz), "");
    event.rtt = 99; // of another version
    EXPECT_EQ(as_json(event)["reason"], "unknown");
}

TEST(EventFormat, HasPodrttsOwnFieldsBeside)
{
    const podrtt_pod pod = named("shop", "web-0");
    const auto json = as_json(event_between("::ffff:10.0.0.1", "::ffff:192.0.2.1"), &pod);
    EXPECT_EQ(json["namespace"], "shop");
    EXPECT_EQ(json["pod"], "web-0");
    EXPECT_EQ(json["leg"], "network");
    EXPECT_EQ(json["kind"], "data");
    EXPECT_EQ(json["peer"], "private");
    EXPECT_EQ(json["ack"], 1100);
}

TEST(EventFormat, OfThePodLegIsToldFromThePeersSide)
{
    podrtt_event event = event_between("fd00::1", "2001:db8::1");
    event.leg = PODRTT_LEG_POD;
    event.kind = PODRTT_KIND_HANDSHAKE;
    const auto json = as_json(event);
    EXPECT_EQ(json["pod"], "");
    EXPECT_EQ(json["leg"], "pod");
    EXPECT_EQ(json["kind"], "handshake");
    EXPECT_EQ(json["src_ip"], "fd00::1");
    EXPECT_EQ(json["dest_ip"], "2001:db8::1");
    EXPECT_EQ(json["sent_bytes"], 500);
    EXPECT_EQ(json["match_on_egress"], false);
}

TEST(EventFormat, NamesEchoByItsProtocol)
{
    podrtt_event event = event_between("fd00::1", "2001:db8::1");
    event.kind = PODRTT_KIND_ECHO;
    event.flow.peer_port = 0;
    EXPECT_EQ(as_json(event)["protocol"], "ICMPv6");
    EXPECT_EQ(as_json(event)["src_port"], 40000); // the identifier stands at both ends
    event = event_between("::ffff:10.0.0.1", "::ffff:192.0.2.1");
    event.kind = PODRTT_KIND_ECHO;
    EXPECT_EQ(as_json(event)["protocol"], "ICMP");
}

TEST(EventFilter, AdmitsWhatAllOfItSays)
{
    const podrtt_event event = event_between("::ffff:10.0.0.1", "::ffff:192.0.2.130");
    const podrtt_pod pod = named("shop", "web-0");
    const auto admits = [&](const auto &set) {
        EventFilter filter;
        set(filter);
        return filter.admits({&event, &pod, "private", 0});
    };
    EXPECT_TRUE(admits([](EventFilter &) {}));
    EXPECT_TRUE(admits([](EventFilter &filter) { filter.name_space = "shop"; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.name_space = "sho"; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.pod = "web"; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.leg = PODRTT_LEG_POD; }));
    EXPECT_TRUE(admits([](EventFilter &filter) { filter.kinds = {PODRTT_KIND_DNS, PODRTT_KIND_DATA}; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.kinds = {PODRTT_KIND_DNS}; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.peer = "internet"; }));
    EXPECT_TRUE(admits([](EventFilter &filter) { filter.port = 80; }));
    EXPECT_TRUE(admits([](EventFilter &filter) { filter.port = 40000; }));
    EXPECT_FALSE(admits([](EventFilter &filter) { filter.port = 443; }));
    EXPECT_FALSE(
        admits([](EventFilter &filter) { filter.slower_than = std::chrono::microseconds(10'500); }));
    EXPECT_TRUE(
        admits([](EventFilter &filter) { filter.slower_than = std::chrono::microseconds(10'499); }));
    for (const auto &[cidr, expected] :
         {std::pair("192.0.2.0/24", true), std::pair("192.0.2.128/25", true),
          std::pair("192.0.2.0/25", false), std::pair("192.0.2.130/32", true), std::pair("0.0.0.0/0", true),
          std::pair("2001:db8::/32", false), std::pair("::/0", true)})
        EXPECT_EQ(
            admits([&](EventFilter &filter) { filter.cidr = parse_peer(std::string("x=") + cidr)->key; }),
            expected)
            << cidr;
}

} // namespace
} // namespace podrtt
