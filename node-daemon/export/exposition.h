// SPDX-License-Identifier: Apache-2.0
//
// The forms in which Prometheus takes metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/user/histogram.h"
#include "node-daemon/export/series_options.h"

namespace podrtt
{

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Histograms as they are in the kernel, which prometheus-cpp has no form for.
struct HistogramFamily {
    struct Series {
        Labels labels;
        const Histogram *histogram;                   // not owned
        std::optional<double> created = std::nullopt; // seconds since 1970; nothing: nobody knows, or asks
    };

    std::string name;
    std::string help;
    std::vector<Series> series;
    const Bounds *bounds = &all_bounds(); // of the classic form; not owned
};

// What a scrape is made of, in pieces. Families without series are left out.
class Exposition
{
public:
    virtual ~Exposition() = default;

    // When a metric of a family began, in the same order; none: nobody knows, or asks.
    using Created = std::vector<std::optional<double>>;

    virtual void add(const HistogramFamily &family) = 0;
    virtual void add(const prometheus::MetricFamily &family, const Created &created) = 0; // no histograms
    void add(const prometheus::MetricFamily &family) { add(family, {}); }
    virtual void finish() {} // all families are there

    virtual const char *content_type() const = 0;
    std::vector<std::string> take_parts() { return std::move(parts_); }

protected:
    std::vector<std::string> parts_;
};

prometheus::ClientMetric::Histogram classic_histogram(const Histogram &histogram,
                                                      const Bounds &bounds = all_bounds());

// Text, by prometheus-cpp, with classic histograms.
class TextExposition : public Exposition
{
public:
    using Exposition::add;
    void add(const HistogramFamily &family) override;
    void add(const prometheus::MetricFamily &family, const Created &created) override;
    const char *content_type() const override { return "text/plain; version=0.0.4; charset=utf-8"; }
};

// OpenMetrics 1.0: the same text but for the names of counters, the end, and, where it is known, when a
// metric began.
class OpenMetricsExposition : public TextExposition
{
public:
    using Exposition::add;
    void add(const HistogramFamily &family) override;
    void add(const prometheus::MetricFamily &family, const Created &created) override;
    void finish() override { parts_.emplace_back("# EOF\n"); }
    const char *content_type() const override
    {
        return "application/openmetrics-text; version=1.0.0; charset=utf-8";
    }
};

// Protocol buffers (io.prometheus.client, delimited), with native histograms that hold exactly
// the kernel's buckets, and the classic ones as well, for scrapers that do not know native ones.
class ProtobufExposition : public Exposition
{
public:
    using Exposition::add;
    void add(const HistogramFamily &family) override;
    void add(const prometheus::MetricFamily &family, const Created &created) override;
    const char *content_type() const override
    {
        return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
               "encoding=delimited";
    }
};

enum class Form { text, openmetrics, protobuf };

// What a scraper that sends this Accept header (RFC 9110, 12.5.1) would rather have.
Form preferred_form(std::string_view accept);

} // namespace podrtt
