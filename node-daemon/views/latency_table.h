// SPDX-License-Identifier: Apache-2.0
//
// The table that podrttd top shows: a row for each leg of each pod.
#pragma once

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/kinds.h"
#include "bpf/user/pod.h"
#include "node-daemon/export/snapshot.h"

namespace podrtt
{

// By the longest wait of an application (response, connect, recovery, DNS), the path, round trips, how many
// connections were begun, or the name. The worst comes first.
enum class Order { worst, floor, rtt, connects, name };

inline constexpr Word<Order> orders[] = {{Order::worst, "worst"},
                                         {Order::floor, "floor"},
                                         {Order::rtt, "rtt"},
                                         {Order::connects, "connects"},
                                         {Order::name, "name"}};

struct RowFilter {
    std::string name_space = {};                  // exactly; empty: any
    std::string pod = {};                         // the same
    std::optional<podrtt_leg> leg = std::nullopt; // only this one
    std::string peer = {};                        // class; empty: all together
    std::string text = {};                        // anywhere in NAMESPACE/POD, whatever case; empty: any

    bool admits(const PodName &name) const;
    bool admits(const SeriesKey &key) const;
};

// A pod on the node, and why it is not measured; empty if it is.
using PodStates = std::map<PodName, std::string>;

struct LatencyRow {
    PodName name;
    podrtt_leg leg;
    std::array<Histogram, PODRTT_KINDS> by_kind; // all peers together, or those of the filter
    std::uint64_t connects;                      // begun
    std::string state;                           // "idle", or why it is not measured; else empty

    // The longest p99 of the waits, in seconds; no number if nothing was waited for.
    double worst_wait() const;
};

// `series` with counts among them. A pod of `pods` that has none gets one row that says why.
std::vector<LatencyRow> make_rows(const std::map<SeriesKey, Histogram> &series, const PodStates &pods,
                                  const RowFilter &filter, Order order);

// Lines of a table of `width` columns on the screen: columns that have no room are left out, from the
// right, and the names take what is left. Without a width there is room for everything.
class TableLayout
{
public:
    TableLayout(const std::vector<LatencyRow> &rows, std::optional<std::size_t> width);

    std::string heading() const;
    std::string line(const LatencyRow &row) const;

private:
    std::size_t name_width_;
    std::size_t columns_;
};

// In at most six columns of the screen: 12 µs, 9.93 ms, 1.02 s without the space; "-" if it is no number.
std::string short_duration(double seconds);

} // namespace podrtt
