// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/collector.h"

#include <prometheus/metric_family.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>
#include <tuple>
#include <utility>

#include "bpf/user/kinds.h"
#include "bpf/user/program.h"
#include "bpf/user/version.h"
#include "node-daemon/export/process.h"
#include "node-daemon/export/snapshot.h"

namespace podrtt
{
namespace
{

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

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

Labels series_labels(const SeriesKey &key)
{
    Labels labels = {{"namespace", key.name_space}};
    if (!key.pod.empty())
        labels.push_back({"pod", key.pod});
    labels.push_back({"leg", leg_of(key.leg).name});
    if (!key.peer.empty())
        labels.push_back({"peer", key.peer});
    return labels;
}

// When a pod, or the first of those that it follows, came up, by the name that its series have: seconds
// since 1970.
using CreatedTimes = std::map<PodName, double>;

CreatedTimes created_times(const Snapshot &snapshot)
{
    CreatedTimes times;
    for (const auto &[id, pod] : snapshot.pods) {
        if (pod.named == PODRTT_NAMED_OTHER || is_others_of_namespace(pod)) // of many pods
            continue;
        const double created = static_cast<double>(samples_since(pod)) * 1e-9;
        auto &time = times.try_emplace({pod.name_space, shown_name(pod)}, created).first->second;
        time = std::min(time, created);
    }
    return times;
}

std::optional<double> find_time(const CreatedTimes &times, const PodName &pod)
{
    const auto found = times.find(pod);
    return found == times.end() ? std::nullopt : std::optional(found->second);
}

HistogramFamily histogram_family(std::string name, std::string help, podrtt_kind kind,
                                 const std::map<SeriesKey, Histogram> &series,
                                 const Bounds &bounds = all_bounds(), const CreatedTimes &times = {})
{
    HistogramFamily family = {std::move(name), std::move(help), {}, &bounds};
    for (auto own = series.lower_bound({kind, "", "", PODRTT_LEG_NETWORK, ""});
         own != series.end() && own->first.kind == kind; ++own)
        family.series.push_back({series_labels(own->first), &own->second,
                                 find_time(times, {own->first.name_space, own->first.pod})});
    return family;
}

MetricFamily pod_info(const Snapshot &snapshot)
{
    MetricFamily family = make_family("podrtt_pod_info", "Identity of each pod that is measured, always 1.",
                                      MetricType::Gauge);
    // Predecessors that are kept for their samples are left out: joins on the names need one row.
    std::map<std::tuple<std::string, std::string, std::string>, podrtt_pod> latest;
    for (const auto &[id, pod] : snapshot.pods) {
        if (pod.named == PODRTT_NAMED_OTHER || !has_interface(pod))
            continue;
        auto [shown, first] = latest.try_emplace({pod.name_space, pod.name, pod.ifname}, pod);
        if (!first && pod.created > shown->second.created)
            shown->second = pod;
    }
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

MetricFamily pod_flows(const Snapshot &snapshot)
{
    MetricFamily family = make_family(
        "podrtt_pod_flows_total",
        "Connections by how answers are matched; none: the packets of one direction pass unseen.",
        MetricType::Counter);
    for (const auto &[name, connections] : snapshot.connections) {
        for (const auto &[matching, matching_name] : matchings) {
            ClientMetric metric;
            metric.label = {{"namespace", name.first}, {"pod", name.second}, {"matching", matching_name}};
            metric.counter.value = static_cast<double>(
                matching == PODRTT_MATCHING_NONE ? one_direction(connections) : connections[matching]);
            family.metric.push_back(std::move(metric));
        }
    }
    return family;
}

MetricFamily count_family(std::string name, std::string help, const Count &count,
                          const std::map<SeriesKey, Histogram> &series)
{
    MetricFamily family = make_family(std::move(name), std::move(help), MetricType::Counter);
    for (const auto &[key, histogram] : series) {
        const std::uint32_t first = count.first, end = first + count.buckets;
        if (histogram.count(first, end) == 0)
            continue;
        for (std::uint32_t i = 0; i < count.values.size(); i++) {
            const bool last = i + 1 == count.values.size();
            ClientMetric metric;
            metric.label = series_labels(key);
            if (count.label)
                metric.label.push_back({count.label, count.values[i]});
            metric.counter.value =
                static_cast<double>(histogram.count(first + i, last ? end : first + i + 1));
            family.metric.push_back(std::move(metric));
        }
    }
    return family;
}

// Of a family whose first labels are namespace and pod.
Exposition::Created created_of(const MetricFamily &family, const CreatedTimes &times)
{
    Exposition::Created created;
    created.reserve(family.metric.size());
    for (const auto &metric : family.metric)
        created.push_back(find_time(times, {metric.label.at(0).value, metric.label.at(1).value}));
    return created;
}

// One row a pod; of several interfaces the one that is not measured.
MetricFamily pod_attached(const Snapshot &snapshot, const AttachStates::ById &states)
{
    MetricFamily family =
        make_family("podrtt_pod_attached", "Whether a pod is measured: the form of attachment, or why not.",
                    MetricType::Gauge);
    std::map<PodName, AttachState> by_name;
    for (const auto &[id, state] : states) {
        auto pod = snapshot.pods.find(id);
        if (pod == snapshot.pods.end())
            continue;
        auto [shown, first] = by_name.try_emplace({pod->second.name_space, shown_name(pod->second)}, state);
        if (!first && !state.measured())
            shown->second = state;
    }
    for (const auto &[name, state] : by_name)
        family.metric.push_back(
            gauge({{"namespace", name.first}, {"pod", name.second}, {"reason", state.reason()}},
                  state.measured() ? 1 : 0));
    return family;
}

MetricFamily drop_family(const Maps &maps, const DropFamily &wanted)
{
    MetricFamily family = make_family(wanted.metric, wanted.help, MetricType::Counter);
    for (const Drop &drop : drops) {
        if (drop.family != &wanted)
            continue;
        ClientMetric metric;
        metric.label = {{"reason", drop.reason}};
        metric.counter.value = static_cast<double>(maps.dropped(drop.drop));
        family.metric.push_back(std::move(metric));
    }
    return family;
}

// Memory as the kernel accounts for it ("memlock" of fdinfo, proc(5)); nothing if it does not.
std::optional<double> map_memory(int fd)
{
    std::ifstream file("/proc/self/fdinfo/" + std::to_string(fd));
    double bytes = 0;
    for (std::string word; file >> word;)
        if (word == "memlock:" && file >> bytes)
            return bytes;
    return std::nullopt;
}

// Entries are exported only for maps that a scrape reads anyway.
void add_map_families(const Maps &maps, const Snapshot &snapshot, std::vector<MetricFamily> &families)
{
    struct Row {
        const char *name;
        int fd;
        std::uint32_t capacity;
        std::optional<std::size_t> entries;
    };
    const Row rows[] = {
        {PODRTT_MAP_FLOWS, maps.flows.fd(), maps.flows.capacity() * PODRTT_FLOW_WAYS, std::nullopt},
        {PODRTT_MAP_HISTOGRAMS, maps.histograms.fd(), maps.histograms.capacity(),
         snapshot.histogram_entries},
        {PODRTT_MAP_PODS, maps.pods.fd(), maps.pods.capacity(), snapshot.pods.size()},
        {PODRTT_MAP_TOTALS, maps.totals.fd(), maps.totals.capacity(), snapshot.total_entries},
    };
    MetricFamily entries =
        make_family("podrtt_bpf_map_entries", "Elements in a BPF map.", MetricType::Gauge);
    MetricFamily capacity =
        make_family("podrtt_bpf_map_capacity", "Elements that a BPF map has room for.", MetricType::Gauge);
    MetricFamily memory =
        make_family("podrtt_bpf_map_memory_bytes",
                    "Memory that a BPF map takes, as the kernel accounts for it.", MetricType::Gauge);
    for (const auto &[name, fd, room, count] : rows) {
        capacity.metric.push_back(gauge({{"map", name}}, room));
        if (auto bytes = map_memory(fd))
            memory.metric.push_back(gauge({{"map", name}}, *bytes));
        if (count)
            entries.metric.push_back(gauge({{"map", name}}, static_cast<double>(*count)));
    }
    for (auto *family : {&entries, &capacity, &memory})
        families.push_back(std::move(*family));
}

// Since this daemon has loaded its programs, and only while the kernel counts them (sysctl
// kernel.bpf_stats_enabled).
void add_program_families(const Pins &pins, std::vector<MetricFamily> &families)
{
    MetricFamily runs =
        make_family("podrtt_bpf_program_runs_total",
                    "Packets that a BPF program has seen, if the kernel counts them.", MetricType::Counter);
    MetricFamily seconds =
        make_family("podrtt_bpf_program_run_seconds_total",
                    "Time that a BPF program has taken, if the kernel counts it.", MetricType::Counter);
    for (const char *name :
         {PODRTT_PROGRAM_FROM_POD, PODRTT_PROGRAM_TO_POD, PODRTT_PROGRAM_TCX_FROM, PODRTT_PROGRAM_TCX_TO}) {
        auto program = pins.program(name);
        auto info = program ? program_info(program->get()) : std::unexpected(program.error());
        if (!info || info->run_cnt == 0)
            continue;
        ClientMetric metric;
        metric.label = {{"program", name}};
        metric.counter.value = static_cast<double>(info->run_cnt);
        runs.metric.push_back(metric);
        metric.counter.value = static_cast<double>(info->run_time_ns) * 1e-9;
        seconds.metric.push_back(std::move(metric));
    }
    families.push_back(std::move(runs));
    families.push_back(std::move(seconds));
}

MetricFamily repair_family(const Repairs &repairs)
{
    MetricFamily family = make_family(
        "podrtt_repairs_total", "What the daemon has set right since its start.", MetricType::Counter);
    for (std::size_t i = 0; i < std::size(repair_names); i++) {
        ClientMetric metric;
        metric.label = {{"repair", repair_names[i]}};
        metric.counter.value = static_cast<double>(repairs.of(static_cast<Repair>(i)));
        family.metric.push_back(std::move(metric));
    }
    return family;
}

void add_plugin_families(const PluginState &plugin, std::vector<MetricFamily> &families)
{
    auto installed = make_family(
        "podrtt_plugin_installed",
        "Whether the CNI plugin has been tried and its entry in the chain is in place.", MetricType::Gauge);
    installed.metric.push_back(gauge({}, plugin.in_place ? 1 : 0));
    families.push_back(std::move(installed));
    auto contended = make_family("podrtt_plugin_contended",
                                 "Whether another writer puts its own version of the list back again and "
                                 "again, and podrtt waits.",
                                 MetricType::Gauge);
    contended.metric.push_back(gauge({}, plugin.contended ? 1 : 0));
    families.push_back(std::move(contended));
}

} // namespace

void Collector::collect(Exposition &exposition) const
{
    const SeriesOptions options = series();
    auto snapshot = Snapshot::take(maps_, options);
    std::vector<MetricFamily> families;
    if (snapshot) {
        const auto times = options.created ? created_times(*snapshot) : CreatedTimes();
        for (const Kind &kind : kinds) {
            const std::string suffix = std::string(kind.metric) + "_seconds";
            if (options.has_pods_of(kind.kind))
                exposition.add(histogram_family("podrtt_" + suffix, kind.help, kind.kind,
                                                snapshot->pod_series, options.pod_bounds, times));
            exposition.add(histogram_family("podrtt_namespace_" + suffix,
                                            std::string(kind.help) + " Includes pods that are gone.",
                                            kind.kind, snapshot->namespace_series));
        }
        for (const Count &count : counts) {
            const std::string suffix = std::string(count.metric) + "_total";
            const auto family =
                count_family("podrtt_pod_" + suffix, count.help, count, snapshot->pod_counts);
            exposition.add(family, created_of(family, times));
            families.push_back(count_family("podrtt_namespace_" + suffix,
                                            std::string(count.help) + " Includes pods that are gone.",
                                            count, snapshot->namespace_counts));
        }
        families.push_back(pod_info(*snapshot));
        const auto flows = pod_flows(*snapshot);
        exposition.add(flows, created_of(flows, times));
        families.push_back(pod_attached(*snapshot, attach_states_.all()));
        add_map_families(maps_, *snapshot, families);
    } else {
        // No series rather than wrong ones.
        spdlog::error("{}", snapshot.error().message());
    }

    for (const DropFamily *family : drop_families)
        families.push_back(drop_family(maps_, *family));
    families.push_back(repair_family(repairs_));
    add_program_families(pins_, families);
    if (plugin_)
        add_plugin_families(*plugin_, families);
    std::ranges::move(process_families(), std::back_inserter(families));
    auto build = make_family("podrtt_build_info", "Version of podrtt, always 1.", MetricType::Gauge);
    build.metric.push_back(gauge({{"version", version}}, 1));
    families.push_back(std::move(build));
    for (const auto &family : families)
        exposition.add(family);
}

} // namespace podrtt
