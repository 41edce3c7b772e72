// SPDX-License-Identifier: Apache-2.0
//
// TCP load that costs little itself, for benchmarks.
//
//   load serve PORT
//   load requests HOST PORT CONNECTIONS SECONDS   each connection sends a request as soon
//                                                 as the answer to the last one has come
//   load bulk HOST PORT CONNECTIONS SECONDS       each connection sends as much as it can
//   load connects HOST PORT PARALLEL SECONDS      opens, one request, closes, again
//   load flood HOST PORT COUNT SECONDS            COUNT SYNs from forged IPv4 addresses, each
//                                                 another, spread over the time
//
// The clients print how many requests, bytes or connections they got done a second.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>

namespace
{

constexpr char request = 'r', bulk = 'b';
constexpr std::size_t message_size = 100;
std::array<char, 1 << 17> buffer;

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "load: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

void set_options(int fd)
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void watch(int epoll, int fd, std::uint32_t events)
{
    epoll_event event = {.events = events, .data = {.fd = fd}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
        fail("epoll_ctl");
}

// Answers every message that begins with `request`; swallows the rest.
[[noreturn]] void serve(const char *port)
{
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
    int listener = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (listener < 0)
        fail("socket");
    const int on = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listener, reinterpret_cast<sockaddr *>(&address), sizeof(address)) != 0 ||
        listen(listener, 4096) != 0)
        fail("listen");
    int epoll = epoll_create1(0);
    watch(epoll, listener, EPOLLIN);
    std::puts("ready");
    std::fflush(stdout);
    std::array<epoll_event, 256> events;
    for (;;) {
        int count = epoll_wait(epoll, events.data(), events.size(), -1);
        for (int i = 0; i < count; i++) {
            int fd = events[static_cast<std::size_t>(i)].data.fd;
            if (fd == listener) {
                for (int peer; (peer = accept(listener, nullptr, nullptr)) >= 0;) {
                    set_options(peer);
                    watch(epoll, peer, EPOLLIN);
                }
                continue;
            }
            ssize_t length = read(fd, buffer.data(), buffer.size());
            bool lost = length == 0 || (length < 0 && errno != EAGAIN);
            if (length > 0 && buffer[0] == request)
                lost = write(fd, buffer.data(), message_size) < 0;
            if (lost)
                close(fd);
        }
    }
}

class Client
{
public:
    Client(const char *host, const char *port) : epoll_(epoll_create1(0))
    {
        const auto number = htons(static_cast<std::uint16_t>(std::atoi(port)));
        auto &v4 = reinterpret_cast<sockaddr_in &>(address_);
        auto &v6 = reinterpret_cast<sockaddr_in6 &>(address_);
        if (inet_pton(AF_INET, host, &v4.sin_addr) == 1) {
            v4.sin_family = AF_INET;
            v4.sin_port = number;
        } else if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1) {
            v6.sin6_family = AF_INET6;
            v6.sin6_port = number;
        } else {
            errno = EINVAL;
            fail(host);
        }
    }

    // Connects without waiting; the first event says that the connection is there.
    void open(std::uint32_t events)
    {
        int fd = socket(address_.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (fd < 0)
            fail("socket");
        set_options(fd);
        if (connect(fd, reinterpret_cast<sockaddr *>(&address_), sizeof(address_)) != 0 &&
            errno != EINPROGRESS)
            fail("connect");
        watch(epoll_, fd, events);
    }

    void change(int fd, std::uint32_t events) const
    {
        epoll_event event = {.events = events, .data = {.fd = fd}};
        epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &event);
    }

    // Calls `each` with every ready connection until the time is over.
    template <typename Each>
    void run(int seconds, Each each)
    {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
        std::array<epoll_event, 256> events;
        while (std::chrono::steady_clock::now() < end) {
            int count = epoll_wait(epoll_, events.data(), events.size(), 100);
            for (int i = 0; i < count; i++) {
                const auto &event = events[static_cast<std::size_t>(i)];
                each(event.data.fd, event.events);
            }
        }
    }

private:
    int epoll_;
    sockaddr_storage address_ = {};
};

void send_request(int fd)
{
    static const std::string message(message_size, request);
    if (write(fd, message.data(), message.size()) < 0)
        fail("send a request");
}

long run_requests(Client &client, int connections, int seconds)
{
    long done = 0;
    for (int i = 0; i < connections; i++)
        client.open(EPOLLOUT);
    client.run(seconds, [&](int fd, std::uint32_t events) {
        if (events & EPOLLOUT) {
            client.change(fd, EPOLLIN);
            send_request(fd);
        } else if (read(fd, buffer.data(), buffer.size()) > 0) {
            done++;
            send_request(fd);
        }
    });
    return done;
}

long run_bulk(Client &client, int connections, int seconds)
{
    long done = 0;
    buffer.fill(bulk);
    for (int i = 0; i < connections; i++)
        client.open(EPOLLOUT);
    client.run(seconds, [&](int fd, std::uint32_t) {
        ssize_t sent = write(fd, buffer.data(), buffer.size());
        done += sent > 0 ? sent : 0;
    });
    return done;
}

long run_connects(Client &client, int parallel, int seconds)
{
    long done = 0;
    for (int i = 0; i < parallel; i++)
        client.open(EPOLLOUT);
    client.run(seconds, [&](int fd, std::uint32_t events) {
        if (events & EPOLLOUT) {
            client.change(fd, EPOLLIN);
            send_request(fd);
        } else {
            done += read(fd, buffer.data(), buffer.size()) > 0;
            close(fd);
            client.open(EPOLLOUT);
        }
    });
    return done;
}

long run_flood(const char *host, const char *port, int count, int seconds)
{
    struct {
        iphdr ip;
        tcphdr tcp;
    } packet = {};
    packet.ip.version = 4;
    packet.ip.ihl = 5;
    packet.ip.ttl = 64;
    packet.ip.protocol = IPPROTO_TCP;
    packet.tcp.th_off = 5;
    packet.tcp.th_flags = TH_SYN;
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
        sent += sendto(fd, &packet, sizeof(packet), 0, reinterpret_cast<sockaddr *>(&to), sizeof(to)) > 0;
        const auto due = start + std::chrono::nanoseconds(1'000'000'000LL * seconds / count * i);
        if (i % 256 == 0)
            std::this_thread::sleep_until(due);
    }
    return sent;
}

} // namespace

int main(int argc, char **argv)
{
    const rlimit files = {65536, 65536};
    setrlimit(RLIMIT_NOFILE, &files);
    std::signal(SIGPIPE, SIG_IGN);
    const std::string what = argc > 1 ? argv[1] : "";
    if (what == "serve" && argc == 3)
        serve(argv[2]);
    if (argc != 6) {
        std::fprintf(
            stderr,
            "usage: load serve PORT | load requests|bulk|connects|flood HOST PORT NUMBER SECONDS\n");
        return 2;
    }
    const int number = std::atoi(argv[4]);
    const int seconds = std::atoi(argv[5]);
    if (what == "flood") {
        std::printf("%ld\n", run_flood(argv[2], argv[3], number, seconds));
        return 0;
    }
    Client client(argv[2], argv[3]);
    long done = what == "requests" ? run_requests(client, number, seconds)
                : what == "bulk"   ? run_bulk(client, number, seconds)
                                   : run_connects(client, number, seconds);
    std::printf("%ld\n", done / seconds);
}
