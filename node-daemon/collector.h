// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "maps.h"

namespace podrtt
{

// Upper bounds in seconds of the classic histograms: powers of two, which are bounds of
// the buckets in the kernel, too, so that nothing is interpolated.
inline constexpr int min_classic_exponent = -16;
inline constexpr int max_classic_exponent = 3;

// Reads the maps whenever Prometheus scrapes. Thread-safe; holds no state of its own.
class Collector : public prometheus::Collectable
{
public:
    // `maps` must outlive the collector.
    explicit Collector(const Maps &maps) : maps_(maps) {}

    std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const Maps &maps_;
};

} // namespace podrtt
