// SPDX-License-Identifier: Apache-2.0
#include "totals.h"

#include <cstring>
#include <functional>

#include "histogram.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t journal_key = 0;

// Repeating any of these steps changes nothing.
Result<void> carry_out(Maps &maps, const podrtt_journal &entry)
{
    auto written = entry.move == PODRTT_MOVE_TO_POD ? maps.histograms.update(entry.to_pod, entry.result)
                                                    : maps.totals.update(entry.to_total, entry.result);
    if (!written)
        return written;
    if (auto erased = maps.histograms.erase(entry.from); !erased)
        return erased;
    return maps.journal.update(journal_key, podrtt_journal{});
}

// Makes sure that there is an entry, so that writing it later cannot fail for want of room.
template <typename Key>
Result<void> reserve(Map<Key, podrtt_histogram> &map, const Key &key)
{
    auto reserved = map.update(key, podrtt_histogram{}, BPF_NOEXIST);
    if (!reserved && reserved.error().code != EEXIST)
        return reserved;
    return {};
}

// Completes `entry`, whose destination is reserved, and carries it out.
template <typename Key>
Result<void> move(Maps &maps, podrtt_journal entry, Map<Key, podrtt_histogram> &destinations, const Key &to,
                  const podrtt_histogram &histogram)
{
    auto present = destinations.lookup(to);
    if (!present)
        return std::unexpected(present.error());
    entry.result = histogram;
    if (*present)
        add(entry.result, **present);
    if (auto written = maps.journal.update(journal_key, entry); !written)
        return written;
    return carry_out(maps, entry);
}

// Where a namespace's samples go: a place of its own, or that of all for whom there is none.
Result<podrtt_total_key> reserve_total(Maps &maps, const podrtt_total_key &own)
{
    podrtt_total_key other = own;
    std::strncpy(other.name_space, PODRTT_OTHER_NAMESPACE, sizeof(other.name_space));
    if (auto reserved = reserve(maps.totals, other); !reserved) // while there is room
        return std::unexpected(reserved.error());
    auto reserved = reserve(maps.totals, own);
    if (!reserved && reserved.error().code == E2BIG)
        return other;
    if (!reserved)
        return std::unexpected(reserved.error());
    return own;
}

// Calls `each` for all histograms of the pod, then forgets the pod. Not before, for
// without it the histograms belong to nobody.
Result<void>
move_all(Maps &maps, std::uint32_t id,
         const std::function<Result<void>(const podrtt_histogram_key &, const podrtt_histogram &)> &each)
{
    const std::lock_guard moving(*maps.moving);
    auto histograms = maps.histograms.entries();
    if (!histograms)
        return std::unexpected(histograms.error());
    for (const auto &[key, histogram] : *histograms) {
        if (key.pod != id)
            continue;
        if (auto moved = each(key, histogram); !moved)
            return moved;
    }
    return maps.pods.erase(id);
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

Result<void> retire_pod(Maps &maps, std::uint32_t id, const podrtt_pod &pod)
{
    return move_all(
        maps, id, [&](const podrtt_histogram_key &key, const podrtt_histogram &histogram) -> Result<void> {
            auto to = reserve_total(maps, total_key(pod, key));
            if (!to)
                return std::unexpected(to.error());
            podrtt_journal entry = {
                .move = PODRTT_MOVE_TO_TOTAL, .from = key, .to_pod = {}, .to_total = *to, .result = {}};
            return move(maps, entry, maps.totals, *to, histogram);
        });
}

Result<void> merge_pod(Maps &maps, std::uint32_t from, std::uint32_t to)
{
    return move_all(
        maps, from,
        [&](const podrtt_histogram_key &key, const podrtt_histogram &histogram) -> Result<void> {
            podrtt_histogram_key to_pod = key;
            to_pod.pod = to;
            if (auto reserved = reserve(maps.histograms, to_pod); !reserved)
                return reserved;
            podrtt_journal entry = {
                .move = PODRTT_MOVE_TO_POD, .from = key, .to_pod = to_pod, .to_total = {}, .result = {}};
            return move(maps, entry, maps.histograms, to_pod, histogram);
        });
}

Result<void> finish_interrupted_move(Maps &maps)
{
    auto entry = maps.journal.lookup(journal_key);
    if (!entry)
        return std::unexpected(entry.error());
    if (!*entry || (*entry)->move == PODRTT_MOVE_NONE)
        return {};
    return carry_out(maps, **entry);
}

} // namespace podrtt
