// SPDX-License-Identifier: Apache-2.0
#include "status.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "attachment.h"
#include "drops.h"
#include "histogram.h"
#include "lock.h"
#include "maps.h"
#include "remains.h"
#include "snapshot.h"

namespace podrtt
{
namespace
{

bool is_plugin_in_place(InstallOptions options)
{
    options.dry_run = true;
    options.runtime.clear();
    for (const bool drop_in : {true, false}) { // either will do
        std::ostringstream missing;
        options.drop_in = drop_in;
        if (install(options, missing) && missing.str().empty())
            return true;
    }
    return false;
}

PodStatus pod_status(std::uint32_t id, const podrtt_pod &pod, const Snapshot &snapshot)
{
    PodStatus status = {pod.name_space, pod.name, pod.host_ifname, false, "", false};
    auto attached = is_attached(id, pod);
    status.attached = attached && *attached;
    if (!attached)
        status.reason = attached.error().message();
    else if (!*attached)
        status.reason = "podrtt's programs are not on it";
    const auto connections = snapshot.connections.find({pod.name_space, shown_name(pod)});
    status.one_way = connections != snapshot.connections.end() && !(id & PODRTT_ID_IN_POD) &&
                     connections->second[PODRTT_MATCHING_NONE] > 0;
    return status;
}

void print_json(const Status &status, std::ostream &out)
{
    using Json = nlohmann::ordered_json;
    Json pods = Json::array(), maps = Json::object(), drops = Json::object();
    for (const auto &pod : status.pods)
        pods.push_back({{"namespace", pod.name_space},
                        {"pod", pod.pod},
                        {"host_interface", pod.host_interface},
                        {"attached", pod.attached},
                        {"reason", pod.reason}});
    for (const auto &map : status.maps)
        maps[map.name] = {{"entries", map.entries}, {"capacity", map.capacity}};
    for (const auto &[name, count] : status.drops)
        drops[name] = count;
    const Json json = {{"version", PODRTT_VERSION},
                       {"daemon_runs", status.daemon_runs},
                       {"plugin_installed", status.plugin_in_place},
                       {"samples", status.samples},
                       {"pods", pods},
                       {"maps", maps},
                       {"drops", drops}};
    out << json.dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
}

void print_text(const Status &status, std::ostream &out)
{
    constexpr const char *layout = "{:<10} {}\n";
    const auto attached = std::ranges::count_if(status.pods, &PodStatus::attached);
    fmt::print(out, layout, "version", PODRTT_VERSION);
    fmt::print(out, layout, "daemon",
               status.daemon_runs ? "runs" : "does not run; pods are measured all the same");
    fmt::print(out, layout, "plugin", status.plugin_in_place ? "installed" : "not installed");
    fmt::print(out, layout, "pods",
               fmt::format("{} measured, {} not", attached, std::ssize(status.pods) - attached));
    fmt::print(out, layout, "samples", status.samples);
    for (const auto &map : status.maps)
        fmt::print(
            out, layout, &map == status.maps.data() ? "maps" : "",
            fmt::format("{} {} of {} ({:.0f} %)", map.name, map.entries, map.capacity, map.share() * 100));
    std::string drops;
    for (const auto &[name, count] : status.drops)
        if (count)
            drops += fmt::format("{}{} {}", drops.empty() ? "" : "\n           ", name, count);
    fmt::print(out, layout, "left out", drops.empty() ? "nothing" : drops);
    for (const auto &pod : status.pods)
        if (!pod.attached)
            fmt::print(out, "not measured: {}/{} ({}): {}\n", pod.name_space, pod.pod, pod.host_interface,
                       pod.reason);
}

} // namespace

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
    status.plugin_in_place = is_plugin_in_place(options);
    for (const auto &[id, pod] : snapshot->pods)
        if (!is_remains(id) && pod.deleted == 0)
            status.pods.push_back(pod_status(id, pod, *snapshot));
    status.maps = {{PODRTT_MAP_HISTOGRAMS, snapshot->histogram_entries, maps->histograms.capacity()},
                   {PODRTT_MAP_PODS, snapshot->pods.size(), maps->pods.capacity()},
                   {PODRTT_MAP_TOTALS, snapshot->total_entries, maps->totals.capacity()}};
    for (const auto &reason : drop_reasons)
        if (auto count = maps->drops.lookup(reason.drop); count && *count)
            status.drops.emplace_back(fmt::format("{}{{reason=\"{}\"}}", reason.family, reason.label),
                                      **count);
    for (const auto &[key, histogram] : snapshot->namespace_series)
        if (key.kind == PODRTT_KIND_DATA)
            status.samples += sample_count(histogram);
    return status;
}

Result<void> status(const Pins &pins, const StatusOptions &options, std::ostream &out)
{
    auto taken = Status::take(pins, options.installation);
    if (!taken)
        return std::unexpected(taken.error());
    options.json ? print_json(*taken, out) : print_text(*taken, out);
    return {};
}

} // namespace podrtt
