// SPDX-License-Identifier: Apache-2.0
#include "collector.h"

#include <prometheus/metric_family.h>
#include <spdlog/spdlog.h>

#include <cmath>
#include <tuple>
#include <utility>

#include "snapshot.h"

namespace podrtt
{
namespace
{

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

struct HistogramFamily {
    podrtt_kind kind;
    const char *pod_name;
    const char *namespace_name;
    const char *help;
};

constexpr HistogramFamily histogram_families[] = {
    {PODRTT_KIND_DATA, "podrtt_tcp_rtt_seconds", "podrtt_namespace_tcp_rtt_seconds",
     "TCP round-trip time between data and its acknowledgement."},
    {PODRTT_KIND_HANDSHAKE, "podrtt_tcp_handshake_seconds", "podrtt_namespace_tcp_handshake_seconds",
     "TCP round-trip time of connection handshakes."},
    {PODRTT_KIND_FLOOR, "podrtt_tcp_min_rtt_seconds", "podrtt_namespace_tcp_min_rtt_seconds",
     "Smallest TCP round-trip time of each connection in each 10 s."},
};

struct DropReason {
    podrtt_drop drop;
    const char *label;
};

constexpr DropReason packet_drops[] = {
    {PODRTT_DROP_TRUNCATED, "truncated"},
    {PODRTT_DROP_BAD_HEADER, "bad_header"},
    {PODRTT_DROP_FRAGMENT, "fragment"},
};

constexpr DropReason event_drops[] = {
    {PODRTT_DROP_EVENTS_FULL, "reader_too_slow"},
};

constexpr DropReason sample_drops[] = {
    {PODRTT_DROP_STALE, "stale"},
    {PODRTT_DROP_HISTOGRAMS_FULL, "histogram_map_full"},
};

MetricFamily make_family(std::string name, std::string help, MetricType type)
{
    return {std::move(name), std::move(help), type, {}};
}

ClientMetric gauge(Labels labels, double value)
{
    ClientMetric metric;
    metric.label = std::move(labels);
    metric.gauge.value = value;
    return metric;
}

ClientMetric::Histogram classic_histogram(const podrtt_histogram &histogram)
{
    ClientMetric::Histogram classic;
    std::uint64_t cumulative = 0;
    std::uint32_t bucket = 0;
    for (int exponent = min_classic_exponent; exponent <= max_classic_exponent; exponent++) {
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

Labels series_labels(const SeriesKey &key)
{
    Labels labels = {{"namespace", key.name_space}};
    if (!key.pod.empty())
        labels.push_back({"pod", key.pod});
    labels.push_back({"leg", leg_name(key.leg)});
    labels.push_back({"peer", key.peer});
    return labels;
}

MetricFamily histogram_family(const std::string &name, const std::string &help, podrtt_kind kind,
                              const std::map<SeriesKey, podrtt_histogram> &series)
{
    MetricFamily family = make_family(name, help, MetricType::Histogram);
    for (const auto &[key, histogram] : series) {
        if (key.kind != kind)
            continue;
        ClientMetric metric;
        metric.label = series_labels(key);
        metric.histogram = classic_histogram(histogram);
        family.metric.push_back(std::move(metric));
    }
    return family;
}

MetricFamily pod_info(const Snapshot &snapshot)
{
    MetricFamily family = make_family("podrtt_pod_info", "Identity of each pod that is measured, always 1.",
                                      MetricType::Gauge);
    // Predecessors that are kept for their samples are not told of: joins on the names
    // need one row.
    std::map<std::tuple<std::string, std::string, std::string>, podrtt_pod> latest;
    for (const auto &[id, pod] : snapshot.pods) // in ascending order
        latest[{pod.name_space, pod.name, pod.ifname}] = pod;
    for (const auto &[name, pod] : latest)
        family.metric.push_back(gauge({{"namespace", pod.name_space},
                                       {"pod", pod.name},
                                       {"uid", pod.uid},
                                       {"container_id", pod.container_id},
                                       {"interface", pod.ifname},
                                       {"host_interface", pod.host_ifname}},
                                      1));
    return family;
}

template <std::size_t size>
MetricFamily drop_family(const Maps &maps, std::string name, std::string help,
                         const DropReason (&reasons)[size])
{
    MetricFamily family = make_family(std::move(name), std::move(help), MetricType::Counter);
    for (const auto &[drop, label] : reasons) {
        auto count = maps.drops.lookup(drop);
        if (!count || !*count)
            continue;
        ClientMetric metric;
        metric.label = {{"reason", label}};
        metric.counter.value = static_cast<double>(**count);
        family.metric.push_back(std::move(metric));
    }
    return family;
}

} // namespace

std::vector<MetricFamily> Collector::Collect() const
{
    std::vector<MetricFamily> families;
    auto snapshot = Snapshot::take(maps_);
    if (snapshot) {
        for (const auto &[kind, pod_name, namespace_name, help] : histogram_families) {
            families.push_back(histogram_family(pod_name, help, kind, snapshot->pod_series));
            families.push_back(histogram_family(namespace_name,
                                                std::string(help) + " Includes pods that are gone.", kind,
                                                snapshot->namespace_series));
        }
        families.push_back(pod_info(*snapshot));
    } else {
        // No series rather than wrong ones.
        spdlog::error("{}", snapshot.error().message());
    }

    families.push_back(
        drop_family(maps_, "podrtt_ignored_packets_total", "Packets left alone, by reason.", packet_drops));
    families.push_back(
        drop_family(maps_, "podrtt_dropped_samples_total", "Samples left out, by reason.", sample_drops));
    families.push_back(drop_family(maps_, "podrtt_dropped_events_total",
                                   "Live events left out, by reason; their samples are in the histograms.",
                                   event_drops));
    auto build = make_family("podrtt_build_info", "Version of podrtt, always 1.", MetricType::Gauge);
    build.metric.push_back(gauge({{"version", PODRTT_VERSION}}, 1));
    families.push_back(std::move(build));
    std::erase_if(families, [](const MetricFamily &family) { return family.metric.empty(); });
    return families;
}

} // namespace podrtt
