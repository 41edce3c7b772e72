// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/upgrade.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/peer_classes.h"
#include "node-daemon/counts/retirement.h"

namespace podrtt
{
namespace
{

// What two layouts must have in common: that their records have the same form.
struct Other {
    Pods pods;
    HistogramTable histograms;
    Totals totals;
    std::vector<std::uint32_t> peers; // our index of each of its peer classes
};

Result<std::vector<std::uint32_t>> translate_peers(Maps &maps, const std::string &path)
{
    auto names = Map<std::uint32_t, PeerName>::open(path);
    if (!names)
        return std::unexpected(names.error());
    std::vector<std::uint32_t> translated;
    for (std::uint32_t index = 0; index < PODRTT_MAX_PEERS; index++) {
        auto name = names->lookup(index);
        if (!name)
            return std::unexpected(name.error());
        std::uint32_t ours = PODRTT_PEER_INTERNET;
        if (*name && !(**name).empty() && (**name)[0]) {
            auto found = peer_index(maps, (**name).data());
            if (!found)
                return std::unexpected(found.error());
            ours = *found;
        }
        translated.push_back(ours);
    }
    return translated;
}

Result<Other> open_other(Maps &maps, const std::filesystem::path &directory)
{
    auto pods = Pods::open(directory / PODRTT_MAP_PODS);
    if (!pods)
        return std::unexpected(pods.error());
    auto histograms = HistogramTable::open(directory / PODRTT_MAP_HISTOGRAMS);
    if (!histograms)
        return std::unexpected(histograms.error());
    auto totals = Totals::open(directory / PODRTT_MAP_TOTALS);
    if (!totals)
        return std::unexpected(totals.error());
    auto peers = translate_peers(maps, directory / PODRTT_MAP_PEER_NAMES);
    if (!peers)
        return std::unexpected(peers.error());
    return Other{std::move(*pods), std::move(*histograms), std::move(*totals), std::move(*peers)};
}

// Until layout 3 each count was a kind of its own, and until layout 2 the only one had a number that is a
// kind of times now.
struct OldCount {
    std::uint8_t kind;
    podrtt_count first;
    unsigned buckets;
};
constexpr OldCount connections_of_layout_2 = {4, PODRTT_COUNT_CONNECTIONS, 3};
// Of the first, all: a daemon of layout 3 takes counts of layout 4 over as they are.
constexpr OldCount counts_of_layout_3[] = {{32, PODRTT_COUNT_CONNECTIONS, PODRTT_BUCKETS},
                                           {33, PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_RESULTS},
                                           {34, PODRTT_COUNT_RESENT, 1},
                                           {35, PODRTT_COUNT_DNS_QUERIES, 1},
                                           {36, PODRTT_COUNT_DNS_ANSWERS, 16}};

std::span<const OldCount> counts_of(const std::string &layout)
{
    if (layout == "v1" || layout == "v2")
        return {&connections_of_layout_2, 1};
    if (layout == "v3")
        return counts_of_layout_3;
    return {};
}

// What a key of another layout, of a pod or of a namespace, is here, and what it has counted.
template <typename Key>
std::pair<Key, podrtt_histogram> translate(const std::string &layout, const Other &other, Key key,
                                           podrtt_histogram histogram)
{
    key.peer = static_cast<__u8>(other.peers.at(key.peer % PODRTT_MAX_PEERS));
    for (const OldCount &count : counts_of(layout))
        if (count.kind == key.kind) {
            podrtt_histogram counts = {};
            std::copy_n(histogram.bucket, count.buckets, &counts.bucket[count.first]);
            key.kind = PODRTT_KIND_COUNTS;
            return {key, counts};
        }
    return {key, histogram};
}

std::optional<unsigned> layout_number(const std::string &name)
{
    unsigned number = 0;
    const char *end = name.data() + name.size();
    if (name.size() < 2 || name.size() >= PODRTT_LAYOUT_SIZE || name[0] != 'v' ||
        std::from_chars(name.data() + 1, end, number).ptr != end)
        return std::nullopt;
    return number;
}

// Until layout 3 the path of the network namespace could be longer, and nothing said since when a pod has
// had samples.
podrtt_pod as_ours(const std::string &layout, podrtt_pod pod)
{
    if (layout_number(layout) <= 3u) {
        pod.netns[PODRTT_NETNS_SIZE - 1] = '\0';
        pod.since = 0;
    }
    return pod;
}

// Of the pod that has this id there: what remains of it, or itself if it lives.
Result<std::uint32_t> our_id(Maps &maps, const std::string &layout, const Other &other, std::uint32_t id)
{
    auto pod = other.pods.lookup(id);
    if (!pod || !*pod)
        return pod ? Result<std::uint32_t>(0) : std::unexpected(pod.error());
    auto living = find_sandbox(maps.pods, **pod);
    return !living || *living != 0 ? living
                                   : record_gone_pod(maps.pods, maps.settings, as_ours(layout, **pod));
}

// What was left out, by reason. A crash between the two steps would count one reason's twice; what it
// counts is not a measurement, so there is no journal for it.
Result<void> take_drops_over(const Maps &maps, const Pins &pins, const std::string &layout)
{
    const auto path = pins.of_layout(layout) / PODRTT_MAP_DROPS;
    std::error_code error; // what cannot be seen counts as missing
    if (!std::filesystem::exists(path, error))
        return {};
    auto other = Map<std::uint32_t, std::uint64_t>::open(path);
    if (!other)
        return std::unexpected(other.error());
    for (std::uint32_t drop = 0; drop < PODRTT_DROPS; drop++) {
        auto count = other->lookup(drop);
        if (!count)
            return std::unexpected(count.error());
        if (!*count)
            break; // it has fewer reasons
        maps.add_dropped(static_cast<podrtt_drop>(drop), **count);
        if (auto cleared = other->update(drop, 0); !cleared)
            return cleared;
    }
    return {};
}

} // namespace

std::vector<std::string> other_layouts(const Pins &pins)
{
    std::vector<std::string> names;
    std::error_code error;
    for (const auto &entry : std::filesystem::directory_iterator(pins.directory().parent_path(), error)) {
        const std::string name = entry.path().filename();
        if (const auto number = layout_number(name); number && *number != PODRTT_LAYOUT)
            names.push_back(name);
    }
    return names;
}

Result<void> take_pods_over(Maps &maps, const Pins &pins, const std::string &layout)
{
    auto other = open_other(maps, pins.of_layout(layout));
    if (!other)
        return std::unexpected(other.error());
    auto pods = other->pods.entries();
    if (!pods)
        return std::unexpected(pods.error());
    for (const auto &[id, theirs] : *pods) {
        const podrtt_pod pod = as_ours(layout, theirs);
        auto recorded = has_interface(pod) ? record_pod(maps.pods, maps.settings, pod)
                                           : record_gone_pod(maps.pods, maps.settings, pod);
        if (!recorded)
            return std::unexpected(recorded.error());
    }
    return {};
}

Result<void> take_samples_over(Maps &maps, const Pins &pins, const std::string &layout)
{
    {
        const std::lock_guard moving(*maps.moving);
        if (auto finished = finish_interrupted_move(maps, pins); !finished)
            return finished;
    }
    auto other = open_other(maps, pins.of_layout(layout));
    if (!other)
        return std::unexpected(other.error());
    if (auto finished = finish_interrupted_move_of_old(other->histograms, other->totals, pins, layout);
        !finished)
        return finished;
    auto histograms = other->histograms.entries();
    if (!histograms)
        return std::unexpected(histograms.error());
    std::map<std::uint32_t, std::uint32_t> ids; // ours by theirs; 0: it has no record
    Result<void> all = {};
    for (const auto &[key, histogram] : *histograms) {
        if (!ids.contains(key.pod)) {
            auto id = our_id(maps, layout, *other, key.pod);
            if (!id)
                return std::unexpected(id.error());
            ids[key.pod] = *id;
        }
        if (ids[key.pod] == 0)
            continue;
        auto [to, counted] = translate(layout, *other, key, histogram);
        to.pod = ids[key.pod];
        if (auto moved = move_from_layout(maps, pins, layout, key, to, counted);
            !moved && moved.error().code != E2BIG)
            return moved;
        else if (!moved)
            all = moved; // what there is no room for stays there
    }
    auto totals = other->totals.entries();
    if (!totals)
        return std::unexpected(totals.error());
    for (const auto &[key, total] : *totals) {
        const auto [to, counted] = translate(layout, *other, key, total);
        if (auto moved = move_from_layout(maps, pins, layout, key, to, counted); !moved)
            return moved;
    }
    if (auto taken = take_drops_over(maps, pins, layout); !taken)
        return taken;
    if (!all)
        return all;
    std::error_code error;
    std::filesystem::remove_all(pins.of_layout(layout), error);
    if (error)
        return failure("unpin", pins.of_layout(layout), error.value());
    return {};
}

// Makes those of its pods known that were not there yet the last time. Whether there are any.
Result<bool> Upgrade::take_new_pods_over(const std::string &name, Layout &layout)
{
    auto pods = Pods::open(pins_.of_layout(name) / PODRTT_MAP_PODS);
    auto ids = pods ? pods->keys() : std::unexpected(pods.error());
    if (!ids)
        return std::unexpected(ids.error());
    std::set<std::uint32_t> now(ids->begin(), ids->end());
    if (std::ranges::includes(layout.pods, now))
        return false;
    if (auto taken = take_pods_over(maps_, pins_, name); !taken)
        return std::unexpected(taken.error());
    layout.pods = std::move(now);
    return true;
}

Upgrade::Upgrade(const Pins &pins, Maps &maps, spdlog::logger &log) : pins_(pins), maps_(maps), log_(log)
{
    for (const auto &layout : other_layouts(pins)) {
        if (*layout_number(layout) > PODRTT_LAYOUT) { // whose counts mean what is not known here
            log_.warn("{} is of a newer version, and is left for it", pins_.of_layout(layout).string());
            continue;
        }
        // Its daemon must be gone: two would replace each other's programs in turn.
        auto lock = lock_directory(pins.of_layout(layout), "a podrttd of another version uses it");
        Layout known;
        auto taken = lock ? take_new_pods_over(layout, known) : std::unexpected(lock.error());
        if (taken) {
            known.lock = std::move(*lock);
            layouts_.emplace(layout, std::move(known));
        } else
            log_.error("what {} holds is left alone: {}", pins_.of_layout(layout).string(),
                       taken.error().message());
    }
}

bool Upgrade::finish()
{
    bool moved = false;
    for (auto layout = layouts_.begin(); layout != layouts_.end();) {
        const std::string &name = layout->first;
        // A plugin of that version may have added one, which has its programs.
        auto more = take_new_pods_over(name, layout->second);
        if (more && *more) {
            ++layout;
            continue;
        }
        auto taken = more ? take_samples_over(maps_, pins_, name) : std::unexpected(more.error());
        if (taken) {
            log_.info("took over what layout {} had measured", name);
            layout = layouts_.erase(layout);
            moved = true;
            continue;
        }
        if (std::exchange(failure_, taken.error().message()) != taken.error().message())
            log_.error("{}", failure_); // it is tried again and again
        ++layout;
    }
    return moved;
}

} // namespace podrtt
