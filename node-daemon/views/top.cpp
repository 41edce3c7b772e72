// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/top.h"

#include <fmt/format.h>
#include <fmt/ostream.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>
#include <span>
#include <thread>

#include "bpf/user/histogram.h"
#include "bpf/user/kinds.h"
#include "node-daemon/export/snapshot.h"

namespace podrtt
{
namespace
{

// A row of the table: one leg of one pod, all its peers together.
struct Row {
    std::array<podrtt_histogram, std::size(kinds)> by_kind = {};
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

using Rows = std::map<std::pair<std::string, podrtt_leg>, Row>;

// A kind that is switched off has no column.
bool is_measured(const Rows &rows, const Kind &kind)
{
    return std::ranges::any_of(
        rows, [&](const auto &row) { return sample_count(row.second.by_kind.at(kind.kind)) > 0; });
}

std::string heading(const Kind &kind)
{
    std::string text = kind.title;
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text;
}

void print_table(const Snapshot &snapshot, std::ostream &out)
{
    Rows rows;
    for (const auto &[key, histogram] : snapshot.pod_series)
        add(rows[{key.name_space + "/" + key.pod, key.leg}].by_kind.at(key.kind), histogram);

    // The first kind in full, of the others the median.
    constexpr const char *first_columns = "{:<44} {:<8} {:>9} {:>10} {:>10} {:>10}";
    constexpr const char *column = " {:>10}";
    fmt::print(out, first_columns, "POD", "LEG", "SAMPLES", "P50", "P90", "P99");
    for (const Kind &kind : std::span(kinds).subspan(1))
        if (is_measured(rows, kind))
            fmt::print(out, column, heading(kind));
    out << '\n';
    for (const auto &[name, row] : rows) {
        const auto &main = row.by_kind.front();
        fmt::print(out, first_columns, name.first, leg_of(name.second).name, sample_count(main),
                   duration(quantile(main, 0.5)), duration(quantile(main, 0.9)),
                   duration(quantile(main, 0.99)));
        for (const Kind &kind : std::span(kinds).subspan(1))
            if (is_measured(rows, kind))
                fmt::print(out, column, duration(quantile(row.by_kind.at(kind.kind), 0.5)));
        out << '\n';
    }
}

void print_json(const Snapshot &snapshot, std::ostream &out)
{
    auto series = nlohmann::ordered_json::array();
    for (const auto &[key, histogram] : snapshot.pod_series)
        series.push_back({{"namespace", key.name_space},
                          {"pod", key.pod},
                          {"leg", leg_of(key.leg).name},
                          {"peer", key.peer},
                          {"kind", kind_of(key.kind).name},
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
