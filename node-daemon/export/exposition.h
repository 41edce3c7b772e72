// SPDX-License-Identifier: Apache-2.0
//
// The forms in which Prometheus takes metrics.
#pragma once

#include <prometheus/metric_family.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/podrtt.h"
#include "node-daemon/export/series_options.h"

namespace podrtt
{

using Labels = std::vector<prometheus::ClientMetric::Label>;

// Histograms as they are in the kernel, which prometheus-cpp has no form for.
struct HistogramFamily {
    struct Series {
        Labels labels;
        const podrtt_histogram *histogram; // not owned
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

    virtual void add(const HistogramFamily &family) = 0;
    virtual void add(const prometheus::MetricFamily &family) = 0; // no histograms

    virtual const char *content_type() const = 0;
    std::vector<std::string> take_parts() { return std::move(parts_); }

protected:
    std::vector<std::string> parts_;
};

prometheus::ClientMetric::Histogram classic_histogram(const podrtt_histogram &histogram,
                                                      const Bounds &bounds = all_bounds());

// Text, by prometheus-cpp, with classic histograms.
class TextExposition : public Exposition
{
public:
    void add(const HistogramFamily &family) override;
    void add(const prometheus::MetricFamily &family) override;
    const char *content_type() const override { return "text/plain; version=0.0.4; charset=utf-8"; }
};

// Protocol buffers (io.prometheus.client, delimited), with native histograms that hold exactly
// the kernel's buckets, and the classic ones as well, for scrapers that do not know native ones.
class ProtobufExposition : public Exposition
{
public:
    void add(const HistogramFamily &family) override;
    void add(const prometheus::MetricFamily &family) override;
    const char *content_type() const override
    {
        return "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; "
               "encoding=delimited";
    }
};

// Whether a scraper that sends this Accept header (RFC 9110, 12.5.1) would rather have protocol
// buffers than text.
bool prefers_protobuf(std::string_view accept);

} // namespace podrtt
