// SPDX-License-Identifier: Apache-2.0
#include <prometheus/text_serializer.h>
#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <string_view>
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
std::string labels_of_first(std::string_view samples)
{
    const std::string_view line = samples.substr(0, samples.find('\n'));
    const std::size_t begin = line.find('{');
    return begin == std::string::npos ? "" : std::string(line.substr(begin, line.rfind('}') + 1 - begin));
}

// The lines of a histogram family. What is escaped and how numbers are written is prometheus-cpp's, once
// for each series; its bounds have a line each, which all begin alike. When a series began is OpenMetrics'
// alone.
std::string histogram_text(const HistogramFamily &family, bool says_created)
{
    prometheus::MetricFamily sums = {family.name, family.help, prometheus::MetricType::Histogram, {}};
    sums.metric.resize(family.series.size());
    for (std::size_t i = 0; i < family.series.size(); i++) {
        sums.metric[i].label = family.series[i].labels;
        sums.metric[i].histogram = classic_histogram(*family.series[i].histogram, {});
    }
    const std::string without_bounds = serialize(sums);
    std::string_view rest = without_bounds;
    const auto take_lines = [&rest](int count) {
        std::size_t end = 0;
        while (count-- > 0)
            end = rest.find('\n', end) + 1;
        const std::string_view lines = rest.substr(0, end);
        rest.remove_prefix(end);
        return lines;
    };

    std::string text;
    while (rest.starts_with('#')) // they tell of the family
        text += take_lines(1);
    auto out = std::back_inserter(text);
    for (const auto &series : family.series) {
        const std::string_view count_and_sum = take_lines(2);
        text += count_and_sum;
        std::string labels = labels_of_first(count_and_sum);
        labels.back() = ',';
        for (const auto &bucket : classic_histogram(*series.histogram, *family.bounds).bucket)
            fmt::format_to(out, "{}_bucket{}le=\"{}\"}} {}\n", family.name, labels, bucket.upper_bound,
                           bucket.cumulative_count);
        text += take_lines(1); // +Inf
        if (says_created && series.created) {
            labels.back() = '}';
            fmt::format_to(out, "{}_created{} {:.3f}\n", family.name, labels, *series.created);
        }
    }
    return text;
}

} // namespace

prometheus::ClientMetric::Histogram classic_histogram(const Histogram &histogram, const Bounds &bounds)
{
    prometheus::ClientMetric::Histogram classic;
    classic.bucket.reserve(bounds.size());
    std::uint64_t cumulative = 0;
    auto bucket = histogram.buckets().begin();
    for (const int exponent : bounds) {
        const auto last =
            static_cast<std::uint32_t>((exponent - PODRTT_MIN_EXPONENT) * (1 << PODRTT_SCHEMA));
        for (; bucket != histogram.buckets().end() && bucket->number <= last; ++bucket)
            cumulative += bucket->count;
        classic.bucket.push_back({cumulative, std::exp2(exponent)});
    }
    // From the same reading as the buckets, so that they agree.
    classic.sample_count = histogram.count();
    classic.sample_sum = static_cast<double>(histogram.sum()) * 1e-9;
    return classic;
}

void TextExposition::add(const HistogramFamily &family)
{
    if (!family.series.empty())
        parts_.push_back(histogram_text(family, false));
}

void TextExposition::add(const prometheus::MetricFamily &family, const Created & /*created*/)
{
    if (!family.metric.empty())
        parts_.push_back(serialize(family));
}

void OpenMetricsExposition::add(const HistogramFamily &family)
{
    if (!family.series.empty())
        parts_.push_back(histogram_text(family, true));
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
