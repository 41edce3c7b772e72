// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/stream.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

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

TEST(StreamJson, TellsASampleOfTheNetworkLeg)
{
    podrtt_pod pod = {};
    std::string("shop").copy(pod.name_space, sizeof(pod.name_space));
    std::string("web-0").copy(pod.name, sizeof(pod.name));
    auto json = nlohmann::json::parse(
        to_json(event_between("::ffff:10.0.0.1", "::ffff:192.0.2.1"), &pod, 500'000'000));
    EXPECT_EQ(json["timestamp"], 2.5);
    EXPECT_EQ(json["namespace"], "shop");
    EXPECT_EQ(json["pod"], "web-0");
    EXPECT_EQ(json["leg"], "network");
    EXPECT_EQ(json["kind"], "data");
    EXPECT_EQ(json["src_ip"], "10.0.0.1");
    EXPECT_EQ(json["src_port"], 40000);
    EXPECT_EQ(json["dest_ip"], "192.0.2.1");
    EXPECT_EQ(json["dest_port"], 80);
    EXPECT_DOUBLE_EQ(json["rtt"].get<double>(), 0.0105);
    EXPECT_DOUBLE_EQ(json["min_rtt"].get<double>(), 0.009);
    EXPECT_EQ(json["sent_bytes"], 100);
    EXPECT_EQ(json["rec_bytes"], 500);
    EXPECT_EQ(json["sent_packets"], 3);
    EXPECT_EQ(json["rec_packets"], 2);
    EXPECT_EQ(json["match_on_egress"], true);
}

TEST(StreamJson, OfThePodLegIsToldFromThePeersSide)
{
    podrtt_event event = event_between("fd00::1", "2001:db8::1");
    event.leg = PODRTT_LEG_POD;
    event.kind = PODRTT_KIND_HANDSHAKE;
    auto json = nlohmann::json::parse(to_json(event, nullptr, 0));
    EXPECT_EQ(json["pod"], "");
    EXPECT_EQ(json["leg"], "pod");
    EXPECT_EQ(json["kind"], "handshake");
    EXPECT_EQ(json["src_ip"], "2001:db8::1");
    EXPECT_EQ(json["dest_ip"], "fd00::1");
    EXPECT_EQ(json["sent_bytes"], 500);
    EXPECT_EQ(json["match_on_egress"], false);
}

} // namespace
} // namespace podrtt
