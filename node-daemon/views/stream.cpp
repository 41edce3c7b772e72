// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/stream.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <map>
#include <ostream>
#include <thread>

#include "bpf/user/event_ring.h"
#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/peer_classes.h"

namespace podrtt
{
namespace
{

using Clock = std::chrono::steady_clock;

constexpr std::uint32_t setting = PODRTT_SETTING_EVENTS_UNTIL;
constexpr std::uint64_t lease_ns = 3'000'000'000;
constexpr std::chrono::milliseconds renewal{1000};

std::int64_t clock_now_ns(clockid_t clock)
{
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// Whether the first bits of an address are those of the prefix.
bool is_in(const __u8 (&address)[16], const podrtt_peer_key &prefix)
{
    const unsigned bytes = prefix.prefix_len / 8, bits = prefix.prefix_len % 8;
    if (std::memcmp(address, prefix.address, bytes) != 0)
        return false;
    return bits == 0 || (address[bytes] ^ prefix.address[bytes]) >> (8 - bits) == 0;
}

class Printer
{
public:
    Printer(const Maps &maps, const StreamOptions &options, std::ostream &out)
        : maps_(maps), options_(options), out_(out),
          realtime_offset_ns_(clock_now_ns(CLOCK_REALTIME) - clock_now_ns(CLOCK_MONOTONIC))
    {
        if (options.format == EventFormat::json)
            out_ << '[';
    }

    void print(const podrtt_event &event)
    {
        const podrtt_pod *pod = find_pod(event.flow.pod);
        const ShownEvent shown = {&event, pod, peer_name(peers_, event.peer), realtime_offset_ns_,
                                  options_.reversed || (pod && pod->attach == PODRTT_ATTACH_POD)};
        if (is_done() || !options_.filter.admits(shown))
            return;
        if (options_.rate && in_second_ >= options_.rate) {
            left_out_++;
            return;
        }
        const std::string text = format_event(shown, options_.format);
        if (text.empty())
            return;
        const bool list = options_.format == EventFormat::json;
        if (list)
            out_ << (printed_ ? ",\n" : "\n");
        out_ << text;
        if (!list)
            out_ << '\n';
        printed_++;
        in_second_++;
    }

    // Not to be away from signals, and from the lease, for long.
    bool goes_on() const { return !is_done() && Clock::now() < pause_; }

    // What is kept until ids may have been given out again, and names may be others.
    void forget(Clock::time_point now)
    {
        pause_ = now + renewal + renewal / 2;
        pods_.clear();
        peers_ = peer_names(maps_).value_or(std::vector<std::string>());
        if (now - second_ >= std::chrono::seconds(1)) {
            second_ = now;
            in_second_ = 0;
        }
    }

    bool is_done() const { return options_.count && printed_ >= options_.count; }

    void finish()
    {
        if (options_.format == EventFormat::json)
            out_ << "\n]\n";
        out_.flush();
    }

    std::uint64_t left_out() const { return left_out_; }

private:
    const podrtt_pod *find_pod(std::uint32_t id)
    {
        auto known = pods_.find(id);
        if (known == pods_.end()) {
            auto pod = maps_.pods.lookup(id);
            if (!pod || !*pod)
                return nullptr;
            known = pods_.emplace(id, **pod).first;
        }
        return &known->second;
    }

    const Maps &maps_;
    const StreamOptions &options_;
    std::ostream &out_;
    std::int64_t realtime_offset_ns_;
    Clock::time_point pause_;
    std::map<std::uint32_t, podrtt_pod> pods_;
    std::vector<std::string> peers_;
    std::uint64_t printed_ = 0;
    std::uint64_t left_out_ = 0;  // for the rate's sake
    std::uint64_t in_second_ = 0; // printed in this one
    Clock::time_point second_;
};

// What programs had no room for: every reader was too slow.
std::uint64_t unreported_events(const Maps &maps)
{
    return maps.dropped(PODRTT_DROP_EVENTS_FULL);
}

// Unless somebody else reads.
Result<void> stop_reporting(Maps &maps, const Fd &readers)
{
    return is_last_to_share(readers) ? maps.settings.update(setting, 0) : Result<void>();
}

// True if the process is to end. Where others read, too, one of them may take what would have woken this
// one out of the ring before this one has looked: so it looks now and then by itself.
Result<bool> wait_for_events(const EventRing &events, const Fd &termination, std::chrono::milliseconds wait)
{
    constexpr std::chrono::milliseconds look_again{20};
    const auto until = Clock::now() + wait;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
        std::array<pollfd, 2> ready = {{{events.fd(), POLLIN, 0}, {termination.get(), POLLIN, 0}}};
        const auto pause = std::clamp(left, std::chrono::milliseconds(0), look_again);
        if (poll(ready.data(), ready.size(), static_cast<int>(pause.count())) < 0 && errno != EINTR)
            return failure("wait for", "events", errno);
        if (ready[1].revents != 0)
            return true;
        if (ready[0].revents != 0 || events.has_more() || left.count() <= 0)
            return false;
    }
}

} // namespace

bool EventFilter::admits(const ShownEvent &shown) const
{
    const podrtt_event &event = *shown.event;
    return (name_space.empty() || (shown.pod && name_space == shown.pod->name_space)) &&
           (pod.empty() || (shown.pod && pod == shown.pod->name)) &&
           (!leg || (event.leg == *leg && !is_of_connection(event))) &&
           (kinds.empty() || std::ranges::count(kinds, event.kind)) &&
           (peer.empty() || peer == shown.peer) && (!cidr || is_in(event.flow.peer_address, *cidr)) &&
           (port == 0 || pod_end(event).port == port || peer_end(event).port == port) &&
           (is_of_connection(event) ? slower_than.count() == 0
                                    : event.rtt > static_cast<std::uint64_t>(slower_than.count()));
}

Result<void> stream(const Pins &pins, const StreamOptions &options, const Fd &termination,
                    std::ostream &out, std::ostream &notes)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    auto readers = share_directory(pins.path("stream"), "another podrttd stream is just ending; try again");
    if (!readers)
        return std::unexpected(readers.error());
    auto events = EventRing::open(pins.path(PODRTT_MAP_EVENTS));
    if (!events)
        return std::unexpected(events.error());
    Printer printer(*maps, options, out);
    const auto start = Clock::now();
    const auto unreported_before = unreported_events(*maps);
    bool ended = false, lapsed = false;
    std::uint64_t until = 0;
    while (!ended && out && !printer.is_done()) {
        const auto now = Clock::now();
        const auto at = static_cast<std::uint64_t>(clock_now_ns(CLOCK_MONOTONIC));
        lapsed |= until != 0 && at > until;
        until = at + lease_ns;
        if (auto renewed = maps->settings.update(setting, until); !renewed)
            return renewed;
        auto wait = renewal;
        if (options.duration.count()) {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(start + options.duration - now);
            wait = std::clamp(left, std::chrono::milliseconds(0), renewal);
            ended = left.count() <= 0;
        }
        auto terminated =
            wait_for_events(*events, termination, ended ? std::chrono::milliseconds(0) : wait);
        if (!terminated)
            return std::unexpected(terminated.error());
        printer.forget(Clock::now()); // it may have been stopped for long
        ended |= *terminated;
        if (ended) // what was reported is printed
            if (auto stopped = stop_reporting(*maps, *readers); !stopped)
                return stopped;
        while (printer.goes_on())
            if (const auto event = events->next())
                printer.print(*event);
            else
                break;
        if (events->has_more()) // one that a program is about to write
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        out.flush();
    }
    printer.finish();
    if (lapsed)
        notes << "the output was blocked for so long that for a while nothing was reported\n";
    if (const auto lost = unreported_events(*maps) - unreported_before + events->lost(); lost > 0)
        notes << "lost " << lost << " events: the reader was too slow\n";
    if (printer.left_out() > 0)
        notes << "left out " << printer.left_out() << " events beyond the rate\n";
    return stop_reporting(*maps, *readers);
}

} // namespace podrtt
