// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
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
    using Series = std::map<SeriesKey, Histogram>;

    // Differences older than `longest` are forgotten, and those that are not of the last few looks are put
    // together, so that the memory does not grow with the number of looks.
    explicit Window(Clock::duration longest) : longest_(longest), slot_(longest / 30) {}

    // A look; of the first there is no difference yet.
    void add(Series series, Clock::time_point now);

    // Of the looks that are not older than `length`, at the time of the last. What has not changed is left
    // out.
    Series recent(Clock::duration length) const;

    // How much of `length` is known: less after the beginning.
    Clock::duration known(Clock::duration length) const;

private:
    struct Look {
        Clock::time_point begin;
        Clock::time_point end;
        std::map<std::uint32_t, Histogram> changes; // by the number of their key
    };

    std::uint32_t number_of(const SeriesKey &key);
    static void merge(Look &into, const Look &later);
    void put_together(Clock::time_point now);

    Clock::duration longest_;
    Clock::duration slot_; // of what is put together
    Series last_;
    Clock::time_point last_time_;
    std::deque<Look> looks_;                   // the oldest first
    std::map<SeriesKey, std::uint32_t> known_; // numbers of keys
    std::vector<SeriesKey> keys_;              // by number
};

} // namespace podrtt
