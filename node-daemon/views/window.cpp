// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/window.h"

#include <algorithm>

namespace podrtt
{

void Window::add(Series series, Clock::time_point now)
{
    if (last_time_ != Clock::time_point()) {
        Look look = {.begin = last_time_, .end = now, .changes = {}};
        for (const auto &[key, histogram] : series) {
            const auto before = last_.find(key);
            Change change = {.key = key, .sum = histogram.sum, .buckets = {}};
            for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++) {
                const std::uint64_t was = before == last_.end() ? 0 : before->second.bucket[i];
                // Of a pod that has been retired another of the same name may be left, with less.
                if (histogram.bucket[i] > was)
                    change.buckets.emplace_back(static_cast<std::uint16_t>(i), histogram.bucket[i] - was);
            }
            if (before != last_.end())
                change.sum -= std::min(before->second.sum, histogram.sum);
            if (!change.buckets.empty())
                look.changes.push_back(std::move(change));
        }
        looks_.push_back(std::move(look));
    }
    while (!looks_.empty() && looks_.front().end + longest_ <= now)
        looks_.pop_front();
    last_ = std::move(series);
    last_time_ = now;
}

Window::Series Window::recent(Clock::duration length) const
{
    Series series;
    for (auto look = looks_.rbegin(); look != looks_.rend() && look->end + length > last_time_; ++look)
        for (const auto &change : look->changes) {
            podrtt_histogram &histogram = series[change.key];
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

} // namespace podrtt
