// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/window.h"

#include <algorithm>

namespace podrtt
{
namespace
{

// Looks that are kept as they are, for the shortest window.
constexpr std::chrono::seconds fine{12};

// What has come since. Of a pod that has been retired another of the same name may be left, with less.
Histogram difference(const Histogram &now, const Histogram &before)
{
    std::vector<Histogram::Bucket> more;
    auto was = before.buckets().begin();
    for (const auto &[number, count] : now.buckets()) {
        while (was != before.buckets().end() && was->number < number)
            ++was;
        const bool is_same = was != before.buckets().end() && was->number == number;
        if (const std::uint64_t known = is_same ? was->count : 0; count > known)
            more.push_back({number, count - known});
    }
    return {now.sum() - std::min(before.sum(), now.sum()), std::move(more)};
}

} // namespace

void Window::add(Series series, Clock::time_point now)
{
    if (last_time_ != Clock::time_point()) {
        Look look = {.begin = last_time_, .end = now, .changes = {}};
        for (const auto &[key, histogram] : series) {
            const auto before = last_.find(key);
            Histogram change = before == last_.end() ? histogram : difference(histogram, before->second);
            if (!change.buckets().empty())
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
        for (const auto &[number, change] : look->changes)
            series[keys_[number]].add(change);
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
    for (const auto &[number, more] : later.changes)
        into.changes[number].add(more);
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
