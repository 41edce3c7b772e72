// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>

#include <vector>

#include "attachments.h"
#include "detail.h"
#include "maps.h"
#include "repairs.h"

namespace podrtt
{

// Upper bounds in seconds of the classic histograms: powers of two, which are bounds of
// the buckets in the kernel, too, so that nothing is interpolated.
inline constexpr int min_classic_exponent = -16;
inline constexpr int max_classic_exponent = 3;

// Reads the maps and the attachments whenever Prometheus scrapes. Thread-safe; holds no
// state of its own.
class Collector : public prometheus::Collectable
{
public:
    // The first three must outlive the collector.
    Collector(const Maps &maps, const Attachments &attachments, const Repairs &repairs,
              const Detail &detail = {})
        : maps_(maps), attachments_(attachments), repairs_(repairs), detail_(detail)
    {
    }

    std::vector<prometheus::MetricFamily> Collect() const override;

private:
    const Maps &maps_;
    const Attachments &attachments_;
    const Repairs &repairs_;
    Detail detail_;
};

} // namespace podrtt
