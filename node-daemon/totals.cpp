// SPDX-License-Identifier: Apache-2.0
#include "totals.h"

#include <cstring>

#include "histogram.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t journal_key = 0;

// Repeating any of these steps changes nothing.
Result<void> carry_out(Maps &maps, const podrtt_journal &entry)
{
    if (auto written = maps.totals.update(entry.to, entry.total); !written)
        return written;
    if (auto erased = maps.histograms.erase(entry.from); !erased)
        return erased;
    return maps.journal.update(journal_key, podrtt_journal{});
}

Result<void> move_to_total(Maps &maps, const podrtt_histogram_key &key, const podrtt_histogram &histogram,
                           const podrtt_pod &pod)
{
    podrtt_journal entry = {.valid = 1, .from = key, .to = total_key(pod, key), .total = histogram};
    auto total = maps.totals.lookup(entry.to);
    if (!total)
        return std::unexpected(total.error());
    if (*total)
        add(entry.total, **total);

    if (auto written = maps.journal.update(journal_key, entry); !written)
        return written;
    return carry_out(maps, entry);
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
    const std::lock_guard moving(*maps.moving);
    auto histograms = maps.histograms.entries();
    if (!histograms)
        return std::unexpected(histograms.error());
    for (const auto &[key, histogram] : *histograms) {
        if (key.pod != id)
            continue;
        if (auto moved = move_to_total(maps, key, histogram, pod); !moved)
            return moved;
    }
    // Last, for without it the histograms belong to nobody.
    return maps.pods.erase(id);
}

Result<void> finish_interrupted_move(Maps &maps)
{
    auto entry = maps.journal.lookup(journal_key);
    if (!entry)
        return std::unexpected(entry.error());
    if (!*entry || !(*entry)->valid)
        return {};
    return carry_out(maps, **entry);
}

} // namespace podrtt
