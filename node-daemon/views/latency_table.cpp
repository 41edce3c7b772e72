// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/latency_table.h"

#include <spdlog/fmt/fmt.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <iterator>

#include "bpf/user/histogram.h"

namespace podrtt
{
namespace
{

double quantile_of(const LatencyRow &row, podrtt_kind kind, double q)
{
    return quantile(row.by_kind.at(kind), q);
}

struct Column {
    const char *title;
    std::size_t width; // with the space before it
    std::string (*cell)(const LatencyRow &row);
};

template <podrtt_kind kind, double q>
std::string time_cell(const LatencyRow &row)
{
    return short_duration(quantile_of(row, kind, q));
}

// The first are those that fit 80 columns of the screen.
constexpr Column columns[] = {
    {"WORST", 7, [](const LatencyRow &row) { return short_duration(row.worst_wait()); }},
    {"RESP", 7, time_cell<PODRTT_KIND_RESPONSE, 0.99>},
    {"CONN", 7, time_cell<PODRTT_KIND_CONNECT, 0.99>},
    {"RECOV", 7, time_cell<PODRTT_KIND_RECOVERY, 0.99>},
    {"DNS", 7, time_cell<PODRTT_KIND_DNS, 0.99>},
    {"RTT", 7, time_cell<PODRTT_KIND_DATA, 0.99>},
    {"FLOOR", 7, time_cell<PODRTT_KIND_FLOOR, 0.5>},
    {"RTT50", 7, time_cell<PODRTT_KIND_DATA, 0.5>},
    {"RESP50", 7, time_cell<PODRTT_KIND_RESPONSE, 0.5>},
    {"SYN", 7, time_cell<PODRTT_KIND_HANDSHAKE, 0.5>},
    {"PING", 7, time_cell<PODRTT_KIND_ECHO, 0.5>},
    {"CONNS", 8, [](const LatencyRow &row) { return std::to_string(row.connects); }},
    {"SAMPLES", 10,
     [](const LatencyRow &row) { return std::to_string(row.by_kind[PODRTT_KIND_DATA].count()); }},
};

constexpr std::size_t leg_width = 8;
constexpr std::size_t shortest_name = 16, longest_name = 44;

std::string full_name(const LatencyRow &row)
{
    return row.name.first.empty() ? row.name.second : row.name.first + "/" + row.name.second;
}

// The end of a name tells pods of a workload apart.
std::string shortened(const std::string &name, std::size_t width)
{
    if (name.size() <= width)
        return name;
    const std::size_t end = (width - 1) / 2;
    return name.substr(0, width - 1 - end) + "~" + name.substr(name.size() - end);
}

bool contains(const std::string &text, const std::string &wanted)
{
    const auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
    return !std::ranges::search(text, wanted, same).empty() || wanted.empty();
}

// What rows are ordered by; the largest comes first, and what there is no number of last.
double measure(const LatencyRow &row, Order order)
{
    double value = 0;
    switch (order) {
    case Order::worst:
        value = row.worst_wait();
        break;
    case Order::floor:
        value = quantile_of(row, PODRTT_KIND_FLOOR, 0.5);
        break;
    case Order::rtt:
        value = quantile_of(row, PODRTT_KIND_DATA, 0.99);
        break;
    case Order::connects:
        value = static_cast<double>(row.connects);
        break;
    case Order::name:
        break;
    }
    return std::isnan(value) ? -1 : value;
}

} // namespace

bool RowFilter::admits(const PodName &name) const
{
    return (name_space.empty() || name.first == name_space) && (pod.empty() || name.second == pod) &&
           contains(name.first + "/" + name.second, text);
}

bool RowFilter::admits(const SeriesKey &key) const
{
    return admits(PodName(key.name_space, key.pod)) && (!leg || key.leg == *leg) &&
           (key.kind == PODRTT_KIND_COUNTS || peer.empty() || key.peer == peer);
}

double LatencyRow::worst_wait() const
{
    double worst = std::nan("");
    for (const auto kind :
         {PODRTT_KIND_RESPONSE, PODRTT_KIND_CONNECT, PODRTT_KIND_RECOVERY, PODRTT_KIND_DNS})
        worst = std::fmax(worst, quantile_of(*this, kind, 0.99));
    return worst;
}

std::vector<LatencyRow> make_rows(const std::map<SeriesKey, Histogram> &series, const PodStates &pods,
                                  const RowFilter &filter, Order order)
{
    std::map<std::pair<PodName, podrtt_leg>, LatencyRow> by_name;
    for (const auto &[key, histogram] : series) {
        constexpr unsigned begun = bucket_of(PODRTT_COUNT_CONNECTS, PODRTT_CONNECT_BEGUN);
        const bool is_count = key.kind == PODRTT_KIND_COUNTS;
        const auto connects = histogram.count(begun, begun + 1);
        if (!filter.admits(key) || (is_count && connects == 0))
            continue;
        const PodName name = {key.name_space, key.pod};
        const auto row = by_name.try_emplace({name, key.leg}, LatencyRow{name, key.leg, {}, 0, ""}).first;
        if (is_count)
            row->second.connects += connects;
        else
            row->second.by_kind.at(key.kind).add(histogram);
    }
    std::vector<LatencyRow> rows;
    rows.reserve(by_name.size() + pods.size());
    for (auto &[name, row] : by_name)
        rows.push_back(std::move(row));
    for (const auto &[name, why] : pods) {
        const auto row = by_name.lower_bound({name, PODRTT_LEG_NETWORK});
        const bool has_row = row != by_name.end() && row->first.first == name;
        if (filter.admits(name) && (!has_row || !why.empty()))
            rows.push_back(
                {name, filter.leg.value_or(PODRTT_LEG_NETWORK), {}, 0, why.empty() ? "idle" : why});
    }
    std::ranges::stable_sort(rows, [order](const LatencyRow &a, const LatencyRow &b) {
        const double one = measure(a, order), other = measure(b, order);
        return one != other ? one > other : std::tie(a.name, a.leg) < std::tie(b.name, b.leg);
    });
    return rows;
}

TableLayout::TableLayout(const std::vector<LatencyRow> &rows, std::optional<std::size_t> width)
{
    std::size_t longest = shortest_name;
    for (const auto &row : rows)
        longest = std::max(longest, full_name(row).size());
    name_width_ = width ? std::min(longest, longest_name) : longest;
    columns_ = std::size(columns);
    if (!width)
        return;
    // First the names give way, then the columns.
    const auto needed = [&](std::size_t count, std::size_t name) {
        std::size_t sum = name + 1 + leg_width;
        for (std::size_t i = 0; i < count; i++)
            sum += columns[i].width;
        return sum;
    };
    constexpr std::size_t usual = 7;                                   // that fit 80 columns beside
    constexpr std::size_t usual_name = 80 - 1 - leg_width - usual * 7; // names of this length
    while (columns_ > usual && needed(columns_, name_width_) > *width)
        columns_--;
    while (columns_ > 0 &&
           needed(columns_, std::min(name_width_, columns_ <= usual ? usual_name : name_width_)) > *width)
        columns_--;
    const std::size_t rest = needed(columns_, 0);
    name_width_ = std::min(name_width_, *width > rest + shortest_name ? *width - rest : shortest_name);
}

std::string TableLayout::heading() const
{
    std::string text = fmt::format("{:<{}} {:<{}}", "POD", name_width_, "LEG", leg_width);
    for (std::size_t i = 0; i < columns_; i++)
        text += fmt::format("{:>{}}", columns[i].title, columns[i].width);
    return text;
}

std::string TableLayout::line(const LatencyRow &row) const
{
    const auto name = shortened(full_name(row), name_width_);
    if (!row.state.empty())
        return fmt::format("{:<{}} {}", name, name_width_, row.state);
    std::string text = fmt::format("{:<{}} {:<{}}", name, name_width_, leg_of(row.leg).name, leg_width);
    for (std::size_t i = 0; i < columns_; i++)
        text += fmt::format("{:>{}}", columns[i].cell(row), columns[i].width);
    return text;
}

std::string short_duration(double seconds)
{
    if (std::isnan(seconds))
        return "-";
    if (seconds < 0.9995e-3)
        return fmt::format("{:.0f}µs", seconds * 1e6);
    if (seconds < 0.9995)
        return fmt::format("{:.{}f}ms", seconds * 1e3, seconds < 9.995e-3 ? 2 : seconds < 99.95e-3 ? 1 : 0);
    return fmt::format("{:.{}f}s", seconds, seconds < 9.995 ? 2 : 1);
}

} // namespace podrtt
