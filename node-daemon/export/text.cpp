// SPDX-License-Identifier: Apache-2.0
#include <prometheus/text_serializer.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <utility>

#include "node-daemon/export/accept.h"
#include "node-daemon/export/exposition.h"

namespace podrtt
{
namespace
{

constexpr std::string_view total = "_total";

std::string serialize(const prometheus::MetricFamily &family)
{
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, {family});
    return std::move(text).str();
}

// Without the lines that tell of the family.
std::string serialize_samples(const prometheus::MetricFamily &family)
{
    const std::string text = serialize(family);
    std::size_t begin = 0;
    while (text.compare(begin, 1, "#") == 0)
        begin = text.find('\n', begin) + 1;
    return text.substr(begin);
}

// Of the first sample, which is a count or a value and has no bound; with the braces, empty if there are
// none.
std::string labels_of_first(const std::string &samples)
{
    const std::string line = samples.substr(0, samples.find('\n'));
    const std::size_t begin = line.find('{');
    return begin == std::string::npos ? "" : line.substr(begin, line.rfind('}') + 1 - begin);
}

prometheus::MetricFamily classic_family(const HistogramFamily &family)
{
    prometheus::MetricFamily classic = {family.name, family.help, prometheus::MetricType::Histogram, {}};
    classic.metric.resize(family.series.size());
    for (std::size_t i = 0; i < family.series.size(); i++) {
        classic.metric[i].label = family.series[i].labels;
        classic.metric[i].histogram = classic_histogram(*family.series[i].histogram, *family.bounds);
    }
    return classic;
}

} // namespace

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
    add(classic_family(family));
}

void TextExposition::add(const prometheus::MetricFamily &family, const Created & /*created*/)
{
    if (!family.metric.empty())
        parts_.push_back(serialize(family));
}

void OpenMetricsExposition::add(const HistogramFamily &family)
{
    Created created;
    created.reserve(family.series.size());
    for (const auto &series : family.series)
        created.push_back(series.created);
    add(classic_family(family), created);
}

void OpenMetricsExposition::add(const prometheus::MetricFamily &family, const Created &created)
{
    if (family.metric.empty())
        return;
    // A counter is called by its name, its value NAME_total.
    std::string name = family.name;
    if (family.type == prometheus::MetricType::Counter && name.ends_with(total))
        name.erase(name.size() - total.size());
    std::string text = serialize({name, family.help, family.type, {}});
    if (std::ranges::none_of(created, &std::optional<double>::has_value)) {
        parts_.push_back(text + serialize_samples(family));
        return;
    }
    for (std::size_t i = 0; i < family.metric.size(); i++) {
        const std::string own =
            serialize_samples({family.name, family.help, family.type, {family.metric[i]}});
        text += own;
        if (i < created.size() && created[i])
            text += fmt::format("{}_created{} {:.3f}\n", name, labels_of_first(own), *created[i]);
    }
    parts_.push_back(std::move(text));
}

Form preferred_form(std::string_view accept)
{
    double protobuf = 0, openmetrics = 0, text = 0;
    for_each_accepted(accept, [&](std::string_view element, double quality) {
        if (element.find("application/vnd.google.protobuf") != std::string_view::npos &&
            element.find("proto=io.prometheus.client.MetricFamily") != std::string_view::npos &&
            element.find("encoding=delimited") != std::string_view::npos)
            protobuf = std::max(protobuf, quality);
        else if (element.find("application/openmetrics-text") != std::string_view::npos)
            openmetrics = std::max(openmetrics, quality);
        else if (element.find("text/plain") != std::string_view::npos)
            text = std::max(text, quality);
    });
    if (protobuf > 0 && protobuf >= std::max(openmetrics, text))
        return Form::protobuf;
    return openmetrics > 0 && openmetrics >= text ? Form::openmetrics : Form::text;
}

} // namespace podrtt
