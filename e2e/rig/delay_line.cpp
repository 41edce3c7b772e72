// SPDX-License-Identifier: Apache-2.0
//
// A network link of known delay: a TAP device in the current network namespace and one
// in another, with this program between them, which holds every frame for a while.
//
//   delay_line NETNS NEAR FAR DELAY_US LOG [JITTER_US [LOSS_PERMILLE [LOSE_FIRST_SYN]]]
//
// NEAR is the TAP's name here, FAR the one in NETNS. Up to JITTER_US are added to the delay
// of each frame, by chance, but no frame overtakes another; LOSS_PERMILLE of a thousand
// frames are lost, and with LOSE_FIRST_SYN 1 the first SYN from each IPv4 port. Every frame is a line in
// LOG, so that a test can compare with what really happened, not with what was asked:
//
//   direction in_ns out_ns version source sport destination dport seq ack length flags
//
// direction is "far" or "near", where the frame went, with "lost-" before it if it did not
// arrive; times are CLOCK_MONOTONIC. From "version" on only for TCP; length is that of the
// payload, flags are hexadecimal.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <deque>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace
{

using Bytes = std::vector<unsigned char>;

struct Frame {
    Bytes bytes;
    std::int64_t in_ns;
    std::int64_t due_ns;
    bool lost;
};

struct Lane {
    const char *name;
    int from;
    int to;
    std::deque<Frame> held;
};

// What the line does to a frame.
struct Line {
    std::int64_t delay_ns;
    std::int64_t jitter_ns = 0;
    int loss_permille = 0;
    bool lose_first_syn = false;
    unsigned lose_each = 0; // so many frames with data from the near end; 0: none
    unsigned data_frames = 0;
    std::set<std::uint16_t> syns = {}; // the ports that have sent one
    std::minstd_rand random = {};

    std::int64_t due(std::int64_t in_ns)
    {
        return in_ns + delay_ns + std::uniform_int_distribution<std::int64_t>(0, jitter_ns)(random);
    }
    bool loses() { return std::uniform_int_distribution<int>(0, 999)(random) < loss_permille; }
};

volatile sig_atomic_t ended;

[[noreturn]] void fail(const char *what)
{
    std::fprintf(stderr, "delay_line: %s: %s\n", what, std::strerror(errno));
    std::exit(1);
}

std::int64_t now_ns()
{
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

int open_tap(const char *name)
{
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        fail("open /dev/net/tun");
    ifreq request = {};
    request.ifr_flags = IFF_TAP | IFF_NO_PI;
    std::strncpy(request.ifr_name, name, IFNAMSIZ - 1);
    if (ioctl(fd, TUNSETIFF, &request) != 0)
        fail(name);
    return fd;
}

int open_tap_in(const char *netns, const char *name)
{
    int here = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    int there = open(netns, O_RDONLY | O_CLOEXEC);
    if (here < 0 || there < 0 || setns(there, CLONE_NEWNET) != 0)
        fail(netns);
    int fd = open_tap(name);
    if (setns(here, CLONE_NEWNET) != 0)
        fail("return to own network namespace");
    close(here);
    close(there);
    return fd;
}

void log_tcp(std::FILE *log, const Bytes &bytes)
{
    const unsigned char *ip = bytes.data() + ETH_HLEN;
    std::size_t size = bytes.size() - std::min<std::size_t>(bytes.size(), ETH_HLEN);
    char source[INET6_ADDRSTRLEN];
    char destination[INET6_ADDRSTRLEN];
    std::size_t header = 0;
    std::size_t total = 0;
    int version = 0;

    if (size >= sizeof(iphdr) && ip[0] >> 4 == 4) {
        iphdr v4;
        std::memcpy(&v4, ip, sizeof(v4));
        if (v4.protocol != IPPROTO_TCP)
            return;
        version = 4;
        header = v4.ihl * std::size_t{4};
        total = ntohs(v4.tot_len);
        inet_ntop(AF_INET, &v4.saddr, source, sizeof(source));
        inet_ntop(AF_INET, &v4.daddr, destination, sizeof(destination));
    } else if (size >= sizeof(ip6_hdr) && ip[0] >> 4 == 6) {
        ip6_hdr v6;
        std::memcpy(&v6, ip, sizeof(v6));
        if (v6.ip6_nxt != IPPROTO_TCP)
            return;
        version = 6;
        header = sizeof(v6);
        total = sizeof(v6) + ntohs(v6.ip6_plen);
        inet_ntop(AF_INET6, &v6.ip6_src, source, sizeof(source));
        inet_ntop(AF_INET6, &v6.ip6_dst, destination, sizeof(destination));
    } else {
        return;
    }
    if (size < header + sizeof(tcphdr))
        return;
    tcphdr tcp;
    std::memcpy(&tcp, ip + header, sizeof(tcp));
    std::fprintf(log, " %d %s %u %s %u %u %u %zu %x", version, source, ntohs(tcp.th_sport), destination,
                 ntohs(tcp.th_dport), ntohl(tcp.th_seq), ntohl(tcp.th_ack),
                 total - header - tcp.th_off * std::size_t{4}, tcp.th_flags);
}

// The headers of a TCP segment over IPv4, if the frame is one, and whether it has data.
struct Segment {
    tcphdr tcp;
    bool has_data;
};

std::optional<Segment> segment(const Bytes &bytes)
{
    iphdr ip;
    Segment segment;
    if (bytes.size() < ETH_HLEN + sizeof(ip))
        return std::nullopt;
    std::memcpy(&ip, bytes.data() + ETH_HLEN, sizeof(ip));
    const std::size_t header = ETH_HLEN + ip.ihl * std::size_t{4};
    if (ip.version != 4 || ip.protocol != IPPROTO_TCP || bytes.size() < header + sizeof(tcphdr))
        return std::nullopt;
    std::memcpy(&segment.tcp, bytes.data() + header, sizeof(tcphdr));
    segment.has_data = ntohs(ip.tot_len) > (ip.ihl + segment.tcp.th_off) * 4;
    return segment;
}

// By a rule, not by chance.
bool is_lost(const Lane &lane, Line &line, const Bytes &bytes)
{
    const auto found = line.lose_first_syn || line.lose_each ? segment(bytes) : std::nullopt;
    if (!found)
        return false;
    if (line.lose_first_syn && found->tcp.syn && !found->tcp.ack)
        return line.syns.insert(found->tcp.th_sport).second;
    const bool counts = line.lose_each && found->has_data && std::strcmp(lane.name, "far") == 0;
    return counts && ++line.data_frames % line.lose_each == 0;
}

void take_in(Lane &lane, Line &line)
{
    unsigned char buffer[65536];
    for (;;) {
        ssize_t length = read(lane.from, buffer, sizeof(buffer));
        if (length <= 0)
            return;
        const std::int64_t in_ns = now_ns();
        const Bytes bytes(buffer, buffer + length);
        const bool lost = line.loses() || is_lost(lane, line, bytes);
        const std::int64_t before = lane.held.empty() ? 0 : lane.held.back().due_ns;
        lane.held.push_back({bytes, in_ns, std::max(before, line.due(in_ns)), lost});
    }
}

// Sends what is due and returns when the next frame is, or -1.
std::int64_t let_out(Lane &lane, std::FILE *log)
{
    while (!lane.held.empty()) {
        const Frame &frame = lane.held.front();
        if (now_ns() < frame.due_ns)
            return frame.due_ns;
        bool sent = !frame.lost && write(lane.to, frame.bytes.data(), frame.bytes.size()) >= 0;
        std::int64_t out_ns = now_ns();
        if (sent || frame.lost) {
            std::fprintf(log, "%s%s %lld %lld", frame.lost ? "lost-" : "", lane.name,
                         static_cast<long long>(frame.in_ns), static_cast<long long>(out_ns));
            log_tcp(log, frame.bytes);
            std::fputc('\n', log);
        }
        lane.held.pop_front();
    }
    return -1;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 6 || argc > 10) {
        std::fprintf(stderr, "usage: delay_line NETNS NEAR FAR DELAY_US LOG [JITTER_US [LOSS_PERMILLE "
                             "[LOSE_FIRST_SYN [LOSE_EACH]]]]\n");
        return 2;
    }
    Line line = {.delay_ns = std::atoll(argv[4]) * 1000,
                 .jitter_ns = argc > 6 ? std::atoll(argv[6]) * 1000 : 0,
                 .loss_permille = argc > 7 ? std::atoi(argv[7]) : 0,
                 .lose_first_syn = argc > 8 && std::atoi(argv[8]),
                 .lose_each = argc > 9 ? static_cast<unsigned>(std::atoi(argv[9])) : 0};
    int near = open_tap(argv[2]);
    int far = open_tap_in(argv[1], argv[3]);
    std::FILE *log = std::fopen(argv[5], "w");
    if (!log)
        fail(argv[5]);
    Lane lanes[] = {{"far", near, far, {}}, {"near", far, near, {}}};

    // To be on time: real-time scheduling, precise timers, no page faults.
    const sched_param priority = {.sched_priority = 50};
    sched_setscheduler(0, SCHED_FIFO, &priority);
    prctl(PR_SET_TIMERSLACK, 1);
    mlockall(MCL_CURRENT | MCL_FUTURE);
    for (int number : {SIGTERM, SIGINT})
        signal(number, [](int) { ended = 1; });
    std::puts("ready");
    std::fflush(stdout);

    while (!ended) {
        std::int64_t next = -1;
        for (Lane &lane : lanes) {
            std::int64_t due = let_out(lane, log);
            if (due >= 0 && (next < 0 || due < next))
                next = due;
        }
        std::int64_t wait = std::max<std::int64_t>(0, next - now_ns());
        const timespec timeout = {wait / 1'000'000'000, wait % 1'000'000'000};
        pollfd ready[] = {{near, POLLIN, 0}, {far, POLLIN, 0}};
        if (ppoll(ready, 2, next < 0 ? nullptr : &timeout, nullptr) < 0 && errno != EINTR)
            fail("poll");
        for (Lane &lane : lanes)
            take_in(lane, line);
    }
    return std::fclose(log) == 0 ? 0 : 1;
}
