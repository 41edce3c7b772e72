// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/top.h"

#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>
#include <utility>

#include "bpf/user/histogram.h"
#include "bpf/user/json_text.h"
#include "node-daemon/views/status.h"

namespace podrtt
{
namespace
{

using Clock = Window::Clock;

void print_json(const Window::Series &series, const RowFilter &filter, std::ostream &out)
{
    auto list = nlohmann::ordered_json::array();
    for (const auto &[key, histogram] : series) {
        const Kind *kind = find_kind(key.kind);
        if (!kind || !filter.admits(key))
            continue;
        list.push_back({{"namespace", key.name_space},
                        {"pod", key.pod},
                        {"leg", leg_of(key.leg).name},
                        {"peer", key.peer},
                        {"kind", kind->name},
                        {"samples", histogram.count()},
                        {"sum_seconds", static_cast<double>(histogram.sum()) * 1e-9},
                        {"p50_seconds", quantile(histogram, 0.5)},
                        {"p90_seconds", quantile(histogram, 0.9)},
                        {"p99_seconds", quantile(histogram, 0.99)}});
    }
    out << to_text(list, 2) << '\n';
}

// Lines of what was measured in a window, or since the beginning.
void print_table(const Window::Series &series, const PodStates &pods, const TopOptions &options,
                 std::ostream &out)
{
    const auto rows = make_rows(series, pods, options.filter, options.order);
    const TableLayout layout(rows, std::nullopt);
    out << layout.heading() << '\n';
    for (const auto &row : rows)
        out << layout.line(row) << '\n';
}

} // namespace

Result<TopLook> look(const Maps &maps, const Pins &pins)
{
    auto snapshot = Snapshot::take(maps);
    if (!snapshot)
        return std::unexpected(snapshot.error());
    TopLook found;
    for (const auto &pod : find_pods(*snapshot, pins)) {
        auto &why = found.pods[{pod.name_space, pod.pod}];
        if (!pod.attached)
            why = "not measured: " + pod.reason;
    }
    found.series = std::move(snapshot->pod_series);
    for (const auto &[key, histogram] : found.series)
        found.peers.insert(key.peer);
    found.series.merge(snapshot->pod_counts);
    return found;
}

Result<void> print_top(const Pins &pins, const TopOptions &options, std::ostream &out)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    auto found = look(*maps, pins);
    if (found && options.window) {
        Window window(*options.window);
        window.add(std::move(found->series), Clock::now());
        std::this_thread::sleep_for(*options.window);
        found = look(*maps, pins);
        if (found) {
            window.add(std::move(found->series), Clock::now());
            found->series = window.recent(*options.window);
        }
    }
    if (!found)
        return std::unexpected(found.error());
    if (options.json)
        print_json(found->series, options.filter, out);
    else
        print_table(found->series, found->pods, options, out);
    return {};
}

} // namespace podrtt
