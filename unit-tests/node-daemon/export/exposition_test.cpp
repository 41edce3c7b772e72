// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/exposition.h"

#include <gtest/gtest.h>
#include <prometheus/text_serializer.h>

#include <cmath>
#include <map>
#include <sstream>

#include "export/metrics.pb.h"

namespace podrtt
{
namespace
{

namespace pb = io::prometheus::client;

pb::Histogram exposed(const Histogram &histogram)
{
    ProtobufExposition exposition;
    exposition.add(HistogramFamily{"rtt", "help", {{{{"pod", "web"}}, &histogram}}});
    const std::string part = exposition.take_parts().at(0);
    // A length below 128 is one byte, else two: the message is short here.
    const std::size_t length_bytes = static_cast<unsigned char>(part[0]) < 128 ? 1 : 2;
    pb::MetricFamily family;
    EXPECT_TRUE(family.ParseFromString(part.substr(length_bytes)));
    EXPECT_EQ(family.type(), pb::HISTOGRAM);
    EXPECT_EQ(family.metric(0).label(0).value(), "web");
    return family.metric(0).histogram();
}

// Counts by upper bound, computed as Prometheus documents native histograms.
std::map<double, std::int64_t> buckets(const pb::Histogram &native)
{
    std::map<double, std::int64_t> found;
    std::int64_t count = 0;
    int index = 0, delta = 0;
    for (const auto &span : native.positive_span()) {
        index += span.offset();
        for (std::uint32_t i = 0; i < span.length(); i++) {
            count += native.positive_delta(delta++);
            found[std::exp2(std::exp2(-native.schema()) * index)] = count;
            index++;
        }
    }
    EXPECT_EQ(delta, native.positive_delta_size());
    return found;
}

TEST(NativeHistogram, HasTheBucketsOfTheKernel)
{
    // Buckets 80 and 168 end at 2^-10 s and at 2 s.
    const auto native = exposed({5'000'000'000, {{0, 2}, {80, 3}, {81, 1}, {168, 4}}});
    EXPECT_EQ(native.schema(), 3);
    EXPECT_EQ(native.zero_threshold(), std::exp2(-20));
    EXPECT_EQ(native.zero_count(), 2u);
    EXPECT_EQ(native.sample_count(), 10u);
    EXPECT_DOUBLE_EQ(native.sample_sum(), 5.0);
    const auto found = buckets(native);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found.at(std::exp2(-10)), 3);
    EXPECT_EQ(found.at(std::exp2(-10 + 0.125)), 1);
    EXPECT_EQ(found.at(2.0), 4);
}

TEST(NativeHistogram, WithoutSamplesIsNativeAllTheSame)
{
    EXPECT_EQ(exposed({}).positive_span_size(), 1);
}

TEST(NativeHistogram, HasTheClassicBucketsBesideIt)
{
    const auto both = exposed({0, {{80, 3}}});
    ASSERT_EQ(both.bucket_size(), max_bound - min_bound + 1);
    EXPECT_EQ(both.bucket(6).upper_bound(), std::exp2(-10));
    EXPECT_EQ(both.bucket(5).cumulative_count(), 0u);
    EXPECT_EQ(both.bucket(6).cumulative_count(), 3u);
}

// To the byte what prometheus-cpp makes of it, whatever the labels hold.
TEST(Text, OfAHistogramIsTheLibrarys)
{
    const Histogram one(123'456'789, {{0, 2}, {80, 3}, {81, 1}, {208, 4}}), none;
    const Labels awkward = {{"namespace", "a\\b\n\"c}"}, {"pod", "x{y}"}}, plain = {{"pod", "b"}};
    TextExposition exposition;
    exposition.add(HistogramFamily{"y_seconds", "Of y.", {{awkward, &one}, {plain, &none}}});

    prometheus::MetricFamily family = {"y_seconds", "Of y.", prometheus::MetricType::Histogram, {}};
    family.metric.resize(2);
    family.metric[0].label = awkward;
    family.metric[0].histogram = classic_histogram(one);
    family.metric[1].label = plain;
    family.metric[1].histogram = classic_histogram(none);
    std::ostringstream text;
    prometheus::TextSerializer().Serialize(text, {family});
    EXPECT_EQ(exposition.take_parts().at(0), text.str());
}

// Its parsers would take them for samples of something else.
TEST(Text, DoesNotSayWhenAHistogramBegan)
{
    const Histogram histogram(0, {{80, 2}});
    TextExposition exposition;
    exposition.add(HistogramFamily{"y_seconds", "Of y.", {{{{"pod", "a"}}, &histogram, 1700000000.25}}});
    EXPECT_EQ(exposition.take_parts().at(0).find("_created"), std::string::npos);
}

TEST(OpenMetrics, CallsCountersByTheirNameAndSaysWhenTheyBegan)
{
    prometheus::MetricFamily family = {"x_total", "Of x.", prometheus::MetricType::Counter, {}};
    family.metric.resize(2);
    family.metric[0].label = {{"pod", "a"}, {"text", "}"}};
    family.metric[0].counter.value = 3;
    family.metric[1].label = {{"pod", "b"}};
    OpenMetricsExposition exposition;
    exposition.add(family, {1.5, std::nullopt});
    family.metric.resize(1);
    exposition.add(family);
    exposition.finish();
    const auto parts = exposition.take_parts();
    ASSERT_EQ(parts.size(), 3u);
    EXPECT_EQ(parts[0], "# HELP x Of x.\n# TYPE x counter\n"
                        "x_total{pod=\"a\",text=\"}\"} 3\nx_created{pod=\"a\",text=\"}\"} 1.500\n"
                        "x_total{pod=\"b\"} 0\n");
    EXPECT_EQ(parts[1], "# HELP x Of x.\n# TYPE x counter\nx_total{pod=\"a\",text=\"}\"} 3\n");
    EXPECT_EQ(parts[2], "# EOF\n");
}

TEST(OpenMetrics, SaysWhenAHistogramBegan)
{
    const Histogram histogram(0, {{80, 2}});
    const Bounds bounds = {-10};
    HistogramFamily family = {"y_seconds", "Of y.", {{{{"pod", "a"}}, &histogram, 1700000000.25}}, &bounds};
    OpenMetricsExposition exposition;
    exposition.add(family);
    EXPECT_EQ(exposition.take_parts().at(0),
              "# HELP y_seconds Of y.\n# TYPE y_seconds histogram\ny_seconds_count{pod=\"a\"} 2\n"
              "y_seconds_sum{pod=\"a\"} 0\ny_seconds_bucket{pod=\"a\",le=\"0.0009765625\"} 2\n"
              "y_seconds_bucket{pod=\"a\",le=\"+Inf\"} 2\ny_seconds_created{pod=\"a\"} 1700000000.250\n");
}

TEST(Accept, IsReadAsScrapersSendIt)
{
    const char *native =
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding="
        "delimited,application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5,*/*;q=0.1";
    const char *plain =
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    EXPECT_EQ(preferred_form(native), Form::protobuf);
    EXPECT_EQ(preferred_form(plain), Form::openmetrics);
    EXPECT_EQ(preferred_form("text/plain,application/openmetrics-text;q=0.9"), Form::text);
    EXPECT_EQ(preferred_form(""), Form::text);
    EXPECT_EQ(preferred_form("*/*"), Form::text);
    EXPECT_EQ(preferred_form("application/vnd.google.protobuf;proto=other;encoding=delimited"), Form::text);
    EXPECT_EQ(preferred_form("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                             "encoding=delimited;q=0.2,text/plain;q=0.9"),
              Form::text);
    EXPECT_EQ(preferred_form("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;"
                             "encoding=delimited;q=x"),
              Form::text);
}

} // namespace
} // namespace podrtt
