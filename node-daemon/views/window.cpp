// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/window.h"

#include <algorithm>

namespace podrtt
{
namespace
{

// Looks that are kept as they are, for the shortest window.
constexpr std::chrono::seconds fine{12};

} // namespace

void Window::add(Series series, Clock::time_point now)
{
    if (last_time_ != Clock::time_point()) {
        Look look = {.begin = last_time_, .end = now, .changes = {}};
        for (const auto &[key, histogram] : series) {
            const auto before = last_.find(key);
            Change change = {.sum = histogram.sum, .buckets = {}};
            for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++) {
                const std::uint64_t was = before == last_.end() ? 0 : before->second.bucket[i];
                // Of a pod that has been retired another of the same name may be left, with less.
                if (histogram.bucket[i] > was)
                    change.buckets.emplace_back(static_cast<std::uint16_t>(i),
                                                static_cast<std::uint32_t>(histogram.bucket[i] - was));
            }
            if (before != last_.end())
                change.sum -= std::min(before->second.sum, histogram.sum);
            if (!change.buckets.empty())
                look.changes.emplace(number_of(key), std::move(change));
        }
        looks_.push_back(std::move(look));
    }
    while (!looks_.empty() && looks_.front().end + longest_ <= now)
        looks_.pop_front();
    put_together(now);
    last_ = std::move(series);
    last_time_ = now;
}

Window::Series Window::recent(Clock::duration length) const
{
    Series series;
    for (auto look = looks_.rbegin(); look != looks_.rend() && look->end + length > last_time_; ++look)
        for (const auto &[number, change] : look->changes) {
            podrtt_histogram &histogram = series[keys_[number]];
            histogram.sum += change.sum;
            for (const auto &[bucket, count] : change.buckets)
                histogram.bucket[bucket] += count;
        }
    return series;
}

Window::Clock::duration Window::known(Clock::duration length) const
{
    Clock::duration known{};
    for (auto look = looks_.rbegin(); look != looks_.rend() && look->end + length > last_time_; ++look)
        known = last_time_ - look->begin;
    return known;
}

std::uint32_t Window::number_of(const SeriesKey &key)
{
    const auto [found, is_new] = known_.try_emplace(key, static_cast<std::uint32_t>(keys_.size()));
    if (is_new)
        keys_.push_back(key);
    return found->second;
}

void Window::merge(Look &into, const Look &later)
{
    into.end = later.end;
    for (const auto &[number, more] : later.changes) {
        Change &change = into.changes[number];
        change.sum += more.sum;
        for (const auto &[bucket, count] : more.buckets) {
            const auto at = std::ranges::lower_bound(change.buckets, bucket, {},
                                                     &std::pair<std::uint16_t, std::uint32_t>::first);
            if (at != change.buckets.end() && at->first == bucket)
                at->second += count;
            else
                change.buckets.emplace(at, bucket, count);
        }
    }
}

void Window::put_together(Clock::time_point now)
{
    for (std::size_t i = 0; i + 1 < looks_.size() && looks_[i + 1].end + fine <= now;) {
        if (looks_[i + 1].end - looks_[i].begin > slot_) {
            i++;
            continue;
        }
        merge(looks_[i], looks_[i + 1]);
        looks_.erase(looks_.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    }
}

} // namespace podrtt
