// SPDX-License-Identifier: Apache-2.0
#include <prometheus/text_serializer.h>

#include <cmath>
#include <sstream>
#include <utility>

#include "node-daemon/export/exposition.h"

namespace podrtt
{

prometheus::ClientMetric::Histogram classic_histogram(const podrtt_histogram &histogram,
                                                      const Bounds &bounds)
{
    prometheus::ClientMetric::Histogram classic;
    classic.bucket.reserve(bounds.size());
    std::uint64_t cumulative = 0;
    std::uint32_t bucket = 0;
    for (const int exponent : bounds) {
        const auto last =
            static_cast<std::uint32_t>((exponent - PODRTT_MIN_EXPONENT) * (1 << PODRTT_SCHEMA));
        while (bucket <= last)
            cumulative += histogram.bucket[bucket++];
        classic.bucket.push_back({cumulative, std::exp2(exponent)});
    }
    while (bucket < PODRTT_BUCKETS)
        cumulative += histogram.bucket[bucket++];
    // From the same reading as the buckets, so that they agree.
    classic.sample_count = cumulative;
    classic.sample_sum = static_cast<double>(histogram.sum) * 1e-9;
    return classic;
}

void TextExposition::add(const HistogramFamily &family)
{
    prometheus::MetricFamily classic = {family.name, family.help, prometheus::MetricType::Histogram, {}};
    classic.metric.resize(family.series.size());
    for (std::size_t i = 0; i < family.series.size(); i++) {
        classic.metric[i].label = family.series[i].labels;
        classic.metric[i].histogram = classic_histogram(*family.series[i].histogram, *family.bounds);
    }
    add(classic);
}

void TextExposition::add(const prometheus::MetricFamily &family)
{
    if (family.metric.empty())
        return;
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, {family});
    parts_.push_back(std::move(text).str());
}

} // namespace podrtt
