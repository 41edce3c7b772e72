// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <iosfwd>
#include <optional>
#include <set>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/views/latency_table.h"
#include "node-daemon/views/window.h"

namespace podrtt
{

struct TopOptions {
    std::chrono::seconds interval{2};
    std::optional<std::chrono::seconds>
        window;                       // else 10 s on the screen, and since each pod's beginning at once
    std::chrono::seconds duration{0}; // of the screen; 0: until the user has seen enough
    bool once = false;
    bool json = false;
    RowFilter filter;
    Order order = Order::worst;
};

// What one look at the maps finds.
struct TopLook {
    Window::Series series; // of single pods; counts among them
    PodStates pods;        // that live
    std::set<std::string> peers;
};

Result<TopLook> look(const Maps &maps, const Pins &pins);

// Prints what was measured since each pod's beginning, or in a window from now on, as one table or as JSON.
Result<void> print_top(const Pins &pins, const TopOptions &options, std::ostream &out);

// Shows what is measured, on the terminal, until the user has seen enough (top_screen.cpp).
Result<void> show_top(const Pins &pins, const TopOptions &options);

} // namespace podrtt
