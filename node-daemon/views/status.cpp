// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/status.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/histogram.h"
#include "bpf/user/json_text.h"
#include "bpf/user/version.h"
#include "node-daemon/counts/lock.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/export/snapshot.h"

namespace podrtt
{
namespace
{

std::string metric_name(const Drop &drop)
{
    return fmt::format("{}{{reason=\"{}\"}}", drop.family->metric, drop.reason);
}

// Connections of which only one direction was seen. A few mean nothing: one may have been under way.
constexpr std::uint64_t suspicious = 3;

PodStatus pod_status(const podrtt_pod &pod, const Snapshot &snapshot, Result<attach::Attacher> &attacher)
{
    PodStatus status = {pod.name_space, pod.name, pod.host_ifname, false, "", false};
    auto attached = attacher ? attacher->is_attached(pod) : std::unexpected(attacher.error());
    status.attached = attached && *attached;
    if (!attached)
        status.reason = attached.error().message();
    else if (!*attached)
        status.reason = "podrtt's programs are not on it";
    const auto connections = snapshot.connections.find({pod.name_space, shown_name(pod)});
    status.one_way = connections != snapshot.connections.end() && pod.attach != PODRTT_ATTACH_POD &&
                     one_direction(connections->second) >= suspicious;
    return status;
}

void print_json(const Status &status, std::ostream &out)
{
    using Json = nlohmann::ordered_json;
    Json pods = Json::array(), maps = Json::object(), left_out = Json::object();
    for (const auto &pod : status.pods)
        pods.push_back({{"namespace", pod.name_space},
                        {"pod", pod.pod},
                        {"host_interface", pod.host_interface},
                        {"attached", pod.attached},
                        {"reason", pod.reason}});
    for (const auto &map : status.maps)
        maps[map.name] = {{"entries", map.entries}, {"capacity", map.capacity}};
    for (const auto &[drop, count] : status.left_out)
        left_out[metric_name(*drop)] = count;
    const Json json = {{"version", version},
                       {"daemon_runs", status.daemon_runs},
                       {"plugin_installed", status.plugin.missing.empty()},
                       {"samples", status.samples},
                       {"pods", pods},
                       {"maps", maps},
                       {"drops", left_out}};
    out << to_text(json, 2) << '\n';
}

void print_text(const Status &status, std::ostream &out)
{
    constexpr const char *layout = "{:<10} {}\n";
    const auto attached = std::ranges::count_if(status.pods, &PodStatus::attached);
    fmt::print(out, layout, "version", version);
    fmt::print(out, layout, "daemon",
               status.daemon_runs ? "runs" : "does not run; pods are still measured");
    fmt::print(out, layout, "plugin",
               status.plugin.missing.empty() ? "installed" : "not installed: " + status.plugin.missing);
    fmt::print(out, layout, "pods",
               fmt::format("{} measured, {} not", attached, std::ssize(status.pods) - attached));
    fmt::print(out, layout, "samples", status.samples);
    for (const auto &map : status.maps)
        fmt::print(
            out, layout, &map == status.maps.data() ? "maps" : "",
            fmt::format("{} {} of {} ({:.0f} %)", map.name, map.entries, map.capacity, map.share() * 100));
    std::string left_out;
    for (const auto &[drop, count] : status.left_out)
        if (count)
            left_out += fmt::format("{}{} {}", left_out.empty() ? "" : "\n           ", count, drop->what);
    fmt::print(out, layout, "left out", left_out.empty() ? "nothing" : left_out);
    for (const auto &pod : status.pods)
        if (!pod.attached)
            fmt::print(out, "not measured: {}/{} ({}): {}\n", pod.name_space, pod.pod, pod.host_interface,
                       pod.reason);
}

} // namespace

std::vector<PodStatus> find_pods(const Snapshot &snapshot, const Pins &pins)
{
    std::vector<PodStatus> pods;
    auto attacher = attach::Attacher::open(pins);
    for (const auto &[id, pod] : snapshot.pods)
        if (has_interface(pod) && pod.deleted == 0)
            pods.push_back(pod_status(pod, snapshot, attacher));
    return pods;
}

Result<Status> Status::take(const Pins &pins, const InstallOptions &options)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    auto snapshot = Snapshot::take(*maps);
    if (!snapshot)
        return std::unexpected(snapshot.error());

    Status status;
    status.daemon_runs = is_directory_locked(pins.directory());
    status.plugin = check_installation(options);
    status.pods = find_pods(*snapshot, pins);
    status.maps = {{PODRTT_MAP_HISTOGRAMS, snapshot->histogram_entries, maps->histograms.capacity()},
                   {PODRTT_MAP_PODS, snapshot->pods.size(), maps->pods.capacity()},
                   {PODRTT_MAP_TOTALS, snapshot->total_entries, maps->totals.capacity()}};
    for (const Drop &drop : drops)
        status.left_out.push_back({&drop, maps->dropped(drop.drop)});
    for (const auto &[_, histogram] : snapshot->namespace_series)
        status.samples += histogram.count();
    return status;
}

Result<bool> status(const Pins &pins, const StatusOptions &options, std::ostream &out)
{
    auto taken = Status::take(pins, options.installation);
    if (!taken)
        return std::unexpected(taken.error());
    options.json ? print_json(*taken, out) : print_text(*taken, out);
    return taken->daemon_runs && std::ranges::all_of(taken->pods, &PodStatus::attached);
}

} // namespace podrtt
