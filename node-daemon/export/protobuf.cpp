// SPDX-License-Identifier: Apache-2.0
#include <google/protobuf/arena.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "export/metrics.pb.h"
#include "node-daemon/export/exposition.h"

namespace podrtt
{
namespace
{

namespace pb = io::prometheus::client;

void add_labels(pb::Metric &metric, const Labels &labels)
{
    for (const auto &[name, value] : labels) {
        auto &label = *metric.add_label();
        label.set_name(name);
        label.set_value(value);
    }
}

// Bucket i ends at 2^(-20 + i/8) s; in a native histogram of schema 3 its index is the exponent
// in eighths. What lies in our first bucket, from 0 on, is the zero bucket.
void add_native(pb::Histogram &native, const Histogram &histogram)
{
    native.set_schema(PODRTT_SCHEMA);
    native.set_zero_threshold(std::exp2(PODRTT_MIN_EXPONENT));
    native.set_zero_count(histogram.count(0, 1));

    constexpr int first_index = PODRTT_MIN_EXPONENT * (1 << PODRTT_SCHEMA);
    int next_index = 0; // behind the last span
    std::int64_t before = 0;
    pb::BucketSpan *span = nullptr;
    for (const auto &[number, samples] : histogram.buckets()) {
        if (number == 0)
            continue;
        const auto count = static_cast<std::int64_t>(samples);
        const int index = first_index + static_cast<int>(number);
        if (!span || index != next_index) {
            span = native.add_positive_span();
            span->set_offset(index - next_index);
        }
        span->set_length(span->length() + 1);
        native.add_positive_delta(count - before);
        before = count;
        next_index = index + 1;
    }
    // One that has no buckets at all would be taken for a classic histogram.
    if (native.positive_span_size() == 0)
        native.add_positive_span()->set_offset(0);
}

void add_classic(pb::Histogram &both, const Histogram &histogram, const Bounds &bounds)
{
    const auto classic = classic_histogram(histogram, bounds);
    both.set_sample_count(classic.sample_count);
    both.set_sample_sum(classic.sample_sum);
    for (const auto &bound : classic.bucket) {
        auto &bucket = *both.add_bucket();
        bucket.set_cumulative_count(bound.cumulative_count);
        bucket.set_upper_bound(bound.upper_bound);
    }
}

void set_time(pb::Timestamp &time, double seconds)
{
    time.set_seconds(static_cast<std::int64_t>(seconds));
    time.set_nanos(static_cast<std::int32_t>((seconds - std::floor(seconds)) * 1e9));
}

// The message behind its length.
std::string delimited(const pb::MetricFamily &family)
{
    std::string bytes;
    google::protobuf::io::StringOutputStream out(&bytes);
    google::protobuf::io::CodedOutputStream coded(&out);
    coded.WriteVarint64(family.ByteSizeLong());
    family.SerializeToCodedStream(&coded);
    coded.Trim();
    return bytes;
}

} // namespace

void ProtobufExposition::add(const HistogramFamily &family)
{
    if (family.series.empty())
        return;
    google::protobuf::Arena arena; // there are many small messages
    auto &message = *google::protobuf::Arena::CreateMessage<pb::MetricFamily>(&arena);
    message.set_name(family.name);
    message.set_help(family.help);
    message.set_type(pb::HISTOGRAM);
    for (const auto &[labels, histogram, created] : family.series) {
        auto &metric = *message.add_metric();
        add_labels(metric, labels);
        add_classic(*metric.mutable_histogram(), *histogram, *family.bounds);
        add_native(*metric.mutable_histogram(), *histogram);
        if (created)
            set_time(*metric.mutable_histogram()->mutable_created_timestamp(), *created);
    }
    parts_.push_back(delimited(message));
}

void ProtobufExposition::add(const prometheus::MetricFamily &family, const Created &created)
{
    if (family.metric.empty())
        return;
    google::protobuf::Arena arena;
    auto &message = *google::protobuf::Arena::CreateMessage<pb::MetricFamily>(&arena);
    message.set_name(family.name);
    message.set_help(family.help);
    const bool counter = family.type == prometheus::MetricType::Counter;
    message.set_type(counter ? pb::COUNTER : pb::GAUGE);
    for (std::size_t i = 0; i < family.metric.size(); i++) {
        const auto &from = family.metric[i];
        auto &metric = *message.add_metric();
        add_labels(metric, from.label);
        if (!counter) {
            metric.mutable_gauge()->set_value(from.gauge.value);
            continue;
        }
        metric.mutable_counter()->set_value(from.counter.value);
        if (i < created.size() && created[i])
            set_time(*metric.mutable_counter()->mutable_created_timestamp(), *created[i]);
    }
    parts_.push_back(delimited(message));
}

} // namespace podrtt
