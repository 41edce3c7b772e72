// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "node-daemon/export/snapshot.h"

namespace podrtt
{

// What was measured in the last while: the differences between looks at what has been measured since the
// beginning. Holds what changes alone.
class Window
{
public:
    using Clock = std::chrono::steady_clock;
    using Series = std::map<SeriesKey, podrtt_histogram>;

    // Differences older than `longest` are forgotten.
    explicit Window(Clock::duration longest) : longest_(longest) {}

    // A look; of the first there is no difference yet.
    void add(Series series, Clock::time_point now);

    // Of the looks that are not older than `length`, at the time of the last. What has not changed is left
    // out.
    Series recent(Clock::duration length) const;

    // How much of `length` is known: less after the beginning.
    Clock::duration known(Clock::duration length) const;

private:
    struct Change {
        SeriesKey key;
        std::uint64_t sum;
        std::vector<std::pair<std::uint16_t, std::uint64_t>> buckets; // that have changed, and by how much
    };
    struct Look {
        Clock::time_point begin;
        Clock::time_point end;
        std::vector<Change> changes;
    };

    Clock::duration longest_;
    Series last_;
    Clock::time_point last_time_;
    std::deque<Look> looks_; // the oldest first
};

} // namespace podrtt
