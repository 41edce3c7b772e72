// SPDX-License-Identifier: Apache-2.0
#include "top.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <ostream>
#include <thread>

#include "histogram.h"
#include "snapshot.h"

namespace podrtt
{
namespace
{

// A row of the table: one leg of one pod, all its peers together.
struct Row {
    podrtt_histogram by_kind[PODRTT_KINDS] = {};
};

std::string duration(double seconds)
{
    if (std::isnan(seconds))
        return "-";
    if (seconds < 1e-3)
        return fmt::format("{:.0f} µs", seconds * 1e6);
    if (seconds < 1)
        return fmt::format("{:.2f} ms", seconds * 1e3);
    return fmt::format("{:.2f} s", seconds);
}

void print_table(const Snapshot &snapshot, std::ostream &out)
{
    std::map<std::pair<std::string, podrtt_leg>, Row> rows;
    for (const auto &[key, histogram] : snapshot.pod_series)
        add(rows[{key.name_space + "/" + key.pod, key.leg}].by_kind[key.kind], histogram);

    constexpr const char *layout = "{:<44} {:<8} {:>9} {:>10} {:>10} {:>10} {:>10} {:>10}\n";
    fmt::print(out, layout, "POD", "LEG", "SAMPLES", "P50", "P90", "P99", "FLOOR", "HANDSHAKE");
    for (const auto &[name, row] : rows) {
        const auto &data = row.by_kind[PODRTT_KIND_DATA];
        fmt::print(out, layout, name.first, leg_name(name.second), sample_count(data),
                   duration(quantile(data, 0.5)), duration(quantile(data, 0.9)),
                   duration(quantile(data, 0.99)), duration(quantile(row.by_kind[PODRTT_KIND_FLOOR], 0.5)),
                   duration(quantile(row.by_kind[PODRTT_KIND_HANDSHAKE], 0.5)));
    }
}

void print_json(const Snapshot &snapshot, std::ostream &out)
{
    auto series = nlohmann::ordered_json::array();
    for (const auto &[key, histogram] : snapshot.pod_series)
        series.push_back({{"namespace", key.name_space},
                          {"pod", key.pod},
                          {"leg", leg_name(key.leg)},
                          {"peer", key.peer},
                          {"kind", kind_name(key.kind)},
                          {"samples", sample_count(histogram)},
                          {"sum_seconds", static_cast<double>(histogram.sum) * 1e-9},
                          {"p50_seconds", quantile(histogram, 0.5)},
                          {"p90_seconds", quantile(histogram, 0.9)},
                          {"p99_seconds", quantile(histogram, 0.99)}});
    out << series.dump(2) << '\n';
}

} // namespace

Result<void> top(const Pins &pins, const TopOptions &options, std::ostream &out)
{
    auto maps = Maps::open(pins);
    if (!maps)
        return std::unexpected(maps.error());
    for (;;) {
        auto snapshot = Snapshot::take(*maps);
        if (!snapshot)
            return std::unexpected(snapshot.error());
        if (!options.once)
            out << "\033[H\033[2J"; // to the top left, and clear
        if (options.json)
            print_json(*snapshot, out);
        else
            print_table(*snapshot, out);
        out.flush();
        if (options.once || !out)
            return {};
        std::this_thread::sleep_for(options.interval);
    }
}

} // namespace podrtt
