// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/duration.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace podrtt
{
namespace
{

using std::chrono::nanoseconds;

struct Unit {
    std::string_view name;
    nanoseconds length;
};

// The largest first.
constexpr Unit units[] = {
    {"d", std::chrono::days(1)},          {"h", std::chrono::hours(1)},
    {"m", std::chrono::minutes(1)},       {"s", std::chrono::seconds(1)},
    {"ms", std::chrono::milliseconds(1)}, {"us", std::chrono::microseconds(1)},
    {"µs", std::chrono::microseconds(1)}, {"ns", nanoseconds(1)},
};

constexpr double longest = 100 * 365.0 * 24 * 60 * 60 * 1e9; // ns

} // namespace

std::optional<nanoseconds> parse_duration(std::string_view text, nanoseconds bare)
{
    double sum = 0;
    bool first = true;
    if (text.empty())
        return std::nullopt;
    while (!text.empty()) {
        double number = 0;
        const auto [end, error] =
            std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
        if (error != std::errc() || !std::isfinite(number) || std::signbit(number))
            return std::nullopt;
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
        const auto next_number = std::ranges::find_if(
            text, [](char letter) { return (letter >= '0' && letter <= '9') || letter == '.'; });
        const std::string_view name(text.begin(), next_number);
        const auto *unit = std::ranges::find(units, name, &Unit::name);
        const bool has_no_unit = first && text.empty() && (bare.count() != 0 || number == 0);
        if (unit == std::end(units) && !has_no_unit)
            return std::nullopt;
        sum += number * static_cast<double>((has_no_unit ? bare : unit->length).count());
        text.remove_prefix(name.size());
        first = false;
    }
    if (sum > longest)
        return std::nullopt;
    return nanoseconds(std::llround(sum));
}

std::string format_duration(nanoseconds duration)
{
    const auto *unit = std::ranges::find_if(units, [&](const Unit &tried) {
        return duration.count() != 0 && duration % tried.length == nanoseconds(0);
    });
    if (unit == std::end(units))
        return "0s";
    return std::to_string(duration / unit->length) + std::string(unit->name);
}

} // namespace podrtt
