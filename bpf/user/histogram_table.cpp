// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/histogram_table.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>

#include "bpf/histogram_math.h"
#include "bpf/user/histogram.h"

namespace podrtt
{
namespace
{

// What is shared with programs is read and written word by word.
__u64 load(__u64 &word)
{
    return std::atomic_ref(word).load(std::memory_order_acquire);
}

void store(__u64 &word, __u64 value)
{
    std::atomic_ref(word).store(value, std::memory_order_release);
}

podrtt_histogram load(podrtt_histogram &counts)
{
    podrtt_histogram histogram;
    histogram.sum = load(counts.sum) & ~PODRTT_ADDED;
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++)
        histogram.bucket[i] = load(counts.bucket[i]) & ~PODRTT_ADDED;
    return histogram;
}

// The words that are counted in: the sum, and the buckets behind it.
constexpr std::uint32_t words = 1 + PODRTT_BUCKETS;

template <typename Counts>
auto &word_of(Counts &counts, std::uint32_t i)
{
    return i == 0 ? counts.sum : counts.bucket[i - 1];
}

void store(podrtt_histogram &counts, const podrtt_histogram &histogram)
{
    store(counts.sum, histogram.sum);
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++)
        store(counts.bucket[i], histogram.bucket[i]);
}

__u64 word_of(const podrtt_histogram_key &key)
{
    return std::bit_cast<__u64>(key);
}

} // namespace

Result<HistogramTable> HistogramTable::open(const std::string &path)
{
    auto places = Places::open(path);
    if (!places)
        return std::unexpected(places.error());
    return of(std::move(*places), path);
}

Result<HistogramTable> HistogramTable::of(Places places, std::string name)
{
    const std::size_t count = places.values().size();
    if (count < PODRTT_HISTOGRAM_TRIES || !std::has_single_bit(count))
        return failure("open map", name,
                       std::to_string(count) + " places are no power of two from " +
                           std::to_string(PODRTT_HISTOGRAM_TRIES) +
                           " on: it is of another version of podrtt");
    return HistogramTable(std::move(places), std::move(name));
}

std::uint32_t HistogramTable::number(__u64 word, std::uint32_t attempt) const
{
    return podrtt_histogram_index(word, attempt, capacity());
}

std::vector<std::uint32_t> HistogramTable::find(__u64 word) const
{
    std::vector<std::uint32_t> found;
    for (std::uint32_t attempt = 0; attempt < PODRTT_HISTOGRAM_TRIES; attempt++)
        if (load(places_.values()[number(word, attempt)].key) == word)
            found.push_back(number(word, attempt));
    return found;
}

Result<std::uint32_t> HistogramTable::claim(__u64 word)
{
    for (std::uint32_t attempt = 0; attempt < PODRTT_HISTOGRAM_TRIES; attempt++) {
        __u64 taken_by = 0;
        std::atomic_ref key(places_.values()[number(word, attempt)].key);
        if (key.compare_exchange_strong(taken_by, word) || taken_by == word)
            return number(word, attempt);
    }
    return std::unexpected(Error{"write map", name_, E2BIG, "the map is full"});
}

std::optional<podrtt_histogram> HistogramTable::sum(__u64 word,
                                                    std::span<const std::uint32_t> numbers) const
{
    std::optional<podrtt_histogram> sum;
    for (std::uint32_t at : numbers) {
        auto &place = places_.values()[at];
        const podrtt_histogram counts = load(place.histogram);
        if (load(place.key) != word)
            continue; // it is another's by now
        if (!sum)
            sum.emplace();
        add(*sum, counts);
    }
    return sum;
}

Result<std::optional<podrtt_histogram>> HistogramTable::lookup(const podrtt_histogram_key &key) const
{
    const __u64 word = word_of(key);
    return sum(word, find(word));
}

Result<void> HistogramTable::update(const podrtt_histogram_key &key, const podrtt_histogram &histogram,
                                    std::uint64_t flags)
{
    auto found = find(word_of(key));
    if (!found.empty() && flags == BPF_NOEXIST)
        return failure("write map", name_, EEXIST);
    if (found.empty()) {
        auto claimed = claim(word_of(key));
        if (!claimed)
            return std::unexpected(claimed.error());
        found = {*claimed};
    }
    for (std::uint32_t at : found)
        store(places_.values()[at].histogram, at == found.front() ? histogram : podrtt_histogram{});
    return {};
}

Result<void> HistogramTable::reserve(const podrtt_histogram_key &key)
{
    const __u64 word = word_of(key);
    if (!find(word).empty())
        return {};
    auto claimed = claim(word);
    return claimed ? Result<void>() : std::unexpected(claimed.error());
}

void HistogramTable::add_once(const podrtt_histogram_key &key, const podrtt_histogram &more)
{
    const auto found = find(word_of(key));
    const auto is_added = [&](std::uint32_t i) {
        return std::ranges::any_of(found, [&](std::uint32_t at) {
            return load(word_of(places_.values()[at].histogram, i)) & PODRTT_ADDED;
        });
    };
    for (std::uint32_t i = 0; i < words && !found.empty(); i++)
        if (const __u64 count = word_of(more, i); count && !is_added(i))
            std::atomic_ref(word_of(places_.values()[found.front()].histogram, i))
                .fetch_add(count | PODRTT_ADDED);
}

void HistogramTable::settle(const podrtt_histogram_key &key)
{
    for (const std::uint32_t at : find(word_of(key)))
        for (std::uint32_t i = 0; i < words; i++)
            if (auto &word = word_of(places_.values()[at].histogram, i); load(word) & PODRTT_ADDED)
                std::atomic_ref(word).fetch_and(~PODRTT_ADDED);
}

bool HistogramTable::count(const podrtt_histogram_key &key, std::uint32_t bucket, std::uint64_t ns)
{
    const auto found = find(word_of(key));
    const auto at = found.empty() ? claim(word_of(key)) : Result<std::uint32_t>(found.front());
    if (!at)
        return false;
    auto &histogram = places_.values()[*at].histogram;
    std::atomic_ref(histogram.bucket[bucket]).fetch_add(1);
    std::atomic_ref(histogram.sum).fetch_add(ns);
    return true;
}

Result<void> HistogramTable::erase(const podrtt_histogram_key &key)
{
    for (std::uint32_t at : find(word_of(key))) {
        store(places_.values()[at].histogram, podrtt_histogram{}); // the next key of the place counts on
        store(places_.values()[at].key, 0);
    }
    return {};
}

Result<void> HistogramTable::for_each(
    const std::function<void(const podrtt_histogram_key &, const podrtt_histogram &)> &each) const
{
    std::vector<std::pair<__u64, std::uint32_t>> taken; // by key, so that its places stand together
    for (std::uint32_t at = 0; at < capacity(); at++)
        if (const __u64 word = load(places_.values()[at].key))
            taken.emplace_back(word, at);
    std::ranges::sort(taken);
    std::vector<std::uint32_t> numbers;
    for (auto place = taken.begin(); place != taken.end();) {
        const __u64 word = place->first;
        numbers.clear();
        for (; place != taken.end() && place->first == word; ++place)
            numbers.push_back(place->second);
        if (const auto histogram = sum(word, numbers))
            each(std::bit_cast<podrtt_histogram_key>(word), *histogram);
    }
    return {};
}

Result<std::vector<std::pair<podrtt_histogram_key, podrtt_histogram>>> HistogramTable::entries() const
{
    std::vector<std::pair<podrtt_histogram_key, podrtt_histogram>> entries;
    auto read =
        for_each([&](const auto &key, const auto &histogram) { entries.emplace_back(key, histogram); });
    if (!read)
        return std::unexpected(read.error());
    return entries;
}

} // namespace podrtt
