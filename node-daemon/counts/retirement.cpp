// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/retirement.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/histogram.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t journal_key = 0;

bool is_addition(const podrtt_journal &entry)
{
    return entry.move == PODRTT_MOVE_ADD || entry.move == PODRTT_MOVE_LAYOUT_ADD;
}

bool is_to_pod(const podrtt_journal &entry)
{
    return entry.move == PODRTT_MOVE_TO_POD || entry.move == PODRTT_MOVE_LAYOUT_POD;
}

// Deletes from a map that another layout has pinned. What is gone already is not an error.
template <typename Table, typename Key>
Result<void> erase_in_layout(const Pins &pins, const podrtt_journal &entry, const char *name,
                             const Key &key)
{
    auto map = Table::open(pins.of_layout(entry.layout) / name);
    if (!map)
        return map.error().code == ENOENT ? Result<void>() : std::unexpected(map.error());
    return map->erase(key);
}

Result<void> erase_source(HistogramTable &histograms, Totals &totals, const Pins &pins,
                          const podrtt_journal &entry)
{
    switch (entry.move) {
    case PODRTT_MOVE_LAYOUT_POD:
    case PODRTT_MOVE_LAYOUT_ADD:
        return erase_in_layout<HistogramTable>(pins, entry, PODRTT_MAP_HISTOGRAMS, entry.from);
    case PODRTT_MOVE_LAYOUT_TOTAL:
        return erase_in_layout<Totals>(pins, entry, PODRTT_MAP_TOTALS, entry.from_total);
    case PODRTT_MOVE_TO_GONE:
        return totals.erase(entry.from_total);
    default:
        return histograms.erase(entry.from);
    }
}

Result<void> note_end(Maps &maps)
{
    podrtt_journal none = {};
    none.result.sum =
        static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
    return maps.journal.update(journal_key, none);
}

// Of an entry that holds an outcome.
Result<void> write_outcome(HistogramTable &histograms, Totals &totals, const Pins &pins,
                           const podrtt_journal &entry)
{
    auto written = is_to_pod(entry) ? histograms.update(entry.to_pod, entry.result)
                                    : totals.update(entry.to_total, entry.result);
    return written ? erase_source(histograms, totals, pins, entry) : written;
}

// Repeating any of these steps changes nothing.
Result<void> carry_out(Maps &maps, const Pins &pins, podrtt_journal entry)
{
    if (!is_addition(entry)) {
        auto written = write_outcome(maps.histograms, maps.totals, pins, entry);
        return written ? note_end(maps) : written;
    }
    if (!entry.is_added) {
        maps.histograms.add_once(entry.to_pod, entry.result);
        if (auto erased = erase_source(maps.histograms, maps.totals, pins, entry); !erased)
            return erased;
        entry.is_added = 1;
        if (auto written = maps.journal.update(journal_key, entry); !written)
            return written;
    }
    maps.histograms.settle(entry.to_pod);
    return note_end(maps);
}

Result<void> begin(Maps &maps, const Pins &pins, const podrtt_journal &entry)
{
    if (auto written = maps.journal.update(journal_key, entry); !written)
        return written;
    return carry_out(maps, pins, entry);
}

// Makes sure that there is an entry, so that writing it later cannot fail for want of room.
Result<void> reserve(Totals &totals, const podrtt_total_key &key)
{
    auto reserved = totals.update(key, podrtt_histogram{}, BPF_NOEXIST);
    if (!reserved && reserved.error().code != EEXIST)
        return reserved;
    return {};
}

Result<void> move_to_pod(Maps &maps, const Pins &pins, podrtt_journal entry,
                         const podrtt_histogram &histogram)
{
    if (auto reserved = maps.histograms.reserve(entry.to_pod); !reserved)
        return reserved;
    entry.result = histogram;
    return begin(maps, pins, entry);
}

// To `own`, the namespace's total; if there is no room for it, to the total of all others.
Result<void> move_to_total(Maps &maps, const Pins &pins, podrtt_journal entry, const podrtt_total_key &own,
                           const podrtt_histogram &histogram)
{
    podrtt_total_key other = own;
    std::strncpy(other.name_space, PODRTT_OTHER, sizeof(other.name_space));
    if (auto reserved = reserve(maps.totals, other); !reserved) // while there is room
        return reserved;
    auto reserved = reserve(maps.totals, own);
    if (!reserved && reserved.error().code != E2BIG)
        return reserved;
    entry.to_total = reserved ? own : other;
    auto present = maps.totals.lookup(entry.to_total);
    if (!present)
        return std::unexpected(present.error());
    entry.result = histogram;
    if (*present)
        add(entry.result, **present);
    return begin(maps, pins, entry);
}

// Those elements of a map whose keys are wanted.
template <typename Key, typename Table, typename Wanted>
Result<std::vector<std::pair<Key, podrtt_histogram>>> entries_of(const Table &map, const Wanted &is_wanted)
{
    std::vector<std::pair<Key, podrtt_histogram>> wanted;
    auto read = map.for_each([&](const Key &key, const podrtt_histogram &histogram) {
        if (is_wanted(key))
            wanted.emplace_back(key, histogram);
    });
    if (!read)
        return std::unexpected(read.error());
    return wanted;
}

// Calls `each` for all histograms of the pod, then forgets the pod. Not before, for
// without it the histograms belong to nobody.
Result<void>
move_all(Maps &maps, const Pins &pins, std::uint32_t id,
         const std::function<Result<void>(const podrtt_histogram_key &, const podrtt_histogram &)> &each)
{
    const std::lock_guard moving(*maps.moving);
    if (auto finished = finish_interrupted_move(maps, pins); !finished)
        return finished;
    auto own =
        entries_of<podrtt_histogram_key>(maps.histograms, [&](const auto &key) { return key.pod == id; });
    if (!own)
        return std::unexpected(own.error());
    Result<void> all = {};
    for (const auto &[key, histogram] : *own)
        if (auto moved = each(key, histogram); !moved && moved.error().code != E2BIG)
            return moved;
        else if (!moved)
            all = moved; // the others may make room
    return all ? maps.pods.erase(id) : all;
}

// Unless it says so already.
Result<void> note_since(Pods &pods, std::uint32_t id, std::uint64_t since)
{
    auto pod = pods.lookup(id);
    if (!pod || !*pod || samples_since(**pod) <= since)
        return pod ? Result<void>() : std::unexpected(pod.error());
    (**pod).since = since;
    return pods.update(id, **pod, BPF_EXIST);
}

podrtt_journal journal_entry(podrtt_move move, const std::string &layout = "")
{
    podrtt_journal entry = {};
    entry.move = move;
    layout.copy(entry.layout, sizeof(entry.layout) - 1);
    return entry;
}

} // namespace

podrtt_total_key total_key(const podrtt_pod &pod, const podrtt_histogram_key &key)
{
    podrtt_total_key total = {};
    std::memcpy(total.name_space, pod.name_space, sizeof(total.name_space));
    total.leg = key.leg;
    total.kind = key.kind;
    total.peer = key.peer;
    return total;
}

Result<void> retire_pod(Maps &maps, const Pins &pins, std::uint32_t id, const podrtt_pod &pod)
{
    return move_all(maps, pins, id,
                    [&](const podrtt_histogram_key &key, const podrtt_histogram &histogram) {
                        podrtt_journal entry = journal_entry(PODRTT_MOVE_TO_TOTAL);
                        entry.from = key;
                        return move_to_total(maps, pins, entry, total_key(pod, key), histogram);
                    });
}

Result<void> merge_pod(Maps &maps, const Pins &pins, std::uint32_t from, std::uint32_t to)
{
    auto source = maps.pods.lookup(from);
    if (!source || !*source)
        return source ? Result<void>() : std::unexpected(source.error());
    const std::uint64_t since = samples_since(**source);
    if (auto noted = note_since(maps.pods, to, since); !noted)
        return noted;
    auto merged =
        move_all(maps, pins, from, [&](const podrtt_histogram_key &key, const podrtt_histogram &histogram) {
            podrtt_journal entry = journal_entry(PODRTT_MOVE_ADD);
            entry.from = entry.to_pod = key;
            entry.to_pod.pod = to;
            return move_to_pod(maps, pins, entry, histogram);
        });
    // Again: a plugin may have written the record meanwhile.
    return merged ? note_since(maps.pods, to, since) : merged;
}

Result<void> move_from_layout(Maps &maps, const Pins &pins, const std::string &layout,
                              const podrtt_histogram_key &from, const podrtt_histogram_key &to,
                              const podrtt_histogram &histogram)
{
    const std::lock_guard moving(*maps.moving);
    podrtt_journal entry = journal_entry(PODRTT_MOVE_LAYOUT_ADD, layout);
    entry.from = from;
    entry.to_pod = to;
    return move_to_pod(maps, pins, entry, histogram);
}

Result<void> move_from_layout(Maps &maps, const Pins &pins, const std::string &layout,
                              const podrtt_total_key &from, const podrtt_total_key &to,
                              const podrtt_histogram &total)
{
    const std::lock_guard moving(*maps.moving);
    podrtt_journal entry = journal_entry(PODRTT_MOVE_LAYOUT_TOTAL, layout);
    entry.from_total = from;
    return move_to_total(maps, pins, entry, to, total);
}

Result<void> retire_namespace(Maps &maps, const Pins &pins, const std::string &name_space)
{
    const std::lock_guard moving(*maps.moving);
    if (auto finished = finish_interrupted_move(maps, pins); !finished)
        return finished;
    auto own = entries_of<podrtt_total_key>(maps.totals,
                                            [&](const auto &key) { return key.name_space == name_space; });
    if (!own)
        return std::unexpected(own.error());
    for (const auto &[key, total] : *own) {
        podrtt_total_key gone = key;
        std::strncpy(gone.name_space, PODRTT_GONE, sizeof(gone.name_space));
        podrtt_journal entry = journal_entry(PODRTT_MOVE_TO_GONE);
        entry.from_total = key;
        if (auto moved = move_to_total(maps, pins, entry, gone, total); !moved)
            return moved;
    }
    return {};
}

std::optional<std::uint64_t> last_move(const Maps &maps)
{
    auto entry = maps.journal.lookup(journal_key);
    if (!entry || !*entry || (*entry)->move != PODRTT_MOVE_NONE)
        return std::nullopt;
    return (*entry)->result.sum;
}

Result<void> finish_interrupted_move(Maps &maps, const Pins &pins)
{
    auto entry = maps.journal.lookup(journal_key);
    if (!entry)
        return std::unexpected(entry.error());
    if (!*entry || (*entry)->move == PODRTT_MOVE_NONE)
        return {};
    return carry_out(maps, pins, **entry);
}

Result<void> finish_interrupted_move_of_old(HistogramTable &histograms, Totals &totals, const Pins &pins,
                                            const std::string &layout)
{
    auto journal = Map<std::uint32_t, podrtt_journal>::open(pins.of_layout(layout) / PODRTT_MAP_JOURNAL);
    if (!journal)
        return journal.error().code == ENOENT ? Result<void>() : std::unexpected(journal.error());
    auto found = journal->lookup(journal_key);
    if (!found)
        return std::unexpected(found.error());
    if (!*found || (*found)->move == PODRTT_MOVE_NONE)
        return {};
    auto written = write_outcome(histograms, totals, pins, **found);
    return written ? journal->update(journal_key, podrtt_journal{}) : written;
}

} // namespace podrtt
