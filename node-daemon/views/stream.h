// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/views/event_format.h"

namespace podrtt
{

// What is printed; empty: all.
struct EventFilter {
    std::string name_space;              // exactly
    std::string pod;                     // the same
    std::optional<podrtt_leg> leg;       // only this one
    std::vector<podrtt_kind> kinds;      // one of these; those of connections have no leg and no time
    std::string peer;                    // class of the peer's network
    std::optional<podrtt_peer_key> cidr; // that the peer's address is in
    std::uint16_t port = 0;              // of one of the ends
    std::chrono::nanoseconds slower_than{0};

    bool admits(const ShownEvent &shown) const;
};

struct StreamOptions {
    EventFilter filter;
    EventFormat format = EventFormat::jsonl;
    std::uint64_t count = 0;          // end after so many; 0: never
    std::chrono::seconds duration{0}; // the same
    bool reversed = false;            // programs are on the measured side of the interface, as inside a pod
    std::uint64_t rate = 0;           // lines a second at most, and the rest are left out; 0: all
};

// Prints every sample as it is taken, until `termination` is readable, enough have been printed or `out`
// has ended; and to `notes` how many were lost or left out, if any were. Several may read at a time. The
// programs report only while one does: killed, it is forgotten after three seconds.
Result<void> stream(const Pins &pins, const StreamOptions &options, const Fd &termination,
                    std::ostream &out, std::ostream &notes);

} // namespace podrtt
