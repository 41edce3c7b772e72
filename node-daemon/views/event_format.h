// SPDX-License-Identifier: Apache-2.0
//
// How single samples are printed: as ePPing (pping) prints them, so that what reads its output reads this,
// too (https://github.com/xdp-project/bpf-examples/tree/main/pping). Times are integer nanoseconds; source
// is who has sent the answer that ended the time, destination whose data it was; packets and bytes sent are
// the destination's.
#pragma once

#include <cstdint>
#include <string>

#include "bpf/podrtt.h"
#include "bpf/user/kinds.h"

namespace podrtt
{

// standard: for people. ppviz: for the viewer of that name. json: one list. jsonl: an object in each line.
enum class EventFormat { standard, ppviz, json, jsonl };

inline constexpr Word<EventFormat> event_formats[] = {{EventFormat::standard, "standard"},
                                                      {EventFormat::ppviz, "ppviz"},
                                                      {EventFormat::json, "json"},
                                                      {EventFormat::jsonl, "jsonl"}};

// An event and what is known beside it.
struct ShownEvent {
    const podrtt_event *event;
    const podrtt_pod *pod;           // null if it is not known any more
    std::string peer;                // the class of its network
    std::int64_t realtime_offset_ns; // CLOCK_REALTIME - CLOCK_MONOTONIC
    bool reversed = false;           // programs are inside the pod: what enters it comes in there
};

// Address and port of the pod, or of its peer.
struct End {
    std::string address;
    std::uint16_t port;
};
End pod_end(const podrtt_event &event);
End peer_end(const podrtt_event &event);

// Whether it tells of a connection and not of a sample.
bool is_of_connection(const podrtt_event &event);

// Without the end of the line; empty if the format has none for it, as ppviz for connections. In JSON
// podrtt's own fields follow those of ePPing: namespace, pod, leg, kind, peer, ack; of a connection
// namespace, pod, peer.
std::string format_event(const ShownEvent &shown, EventFormat format);

} // namespace podrtt
