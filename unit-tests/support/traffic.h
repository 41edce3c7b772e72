// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <ostream>
#include <vector>

#include "bpf/flow.h"
#include "bpf/histogram_math.h"
#include "bpf/podrtt.h"
#include "bpf/user/histogram_table.h"
#include "podrtt_test.skel.h"
#include "unit-tests/support/packet.h"

namespace podrtt
{

// Samples of one kind on one leg: how many, and their sum.
struct Samples {
    std::uint64_t count = 0;
    std::uint64_t sum_ns = 0;
    bool operator==(const Samples &) const = default;
};

using SamplesBy = std::map<std::pair<podrtt_leg, podrtt_kind>, Samples>;

std::ostream &operator<<(std::ostream &out, const Samples &samples);

// The programs of the data path, loaded without pins and run by BPF_PROG_TEST_RUN: the same code as in
// production except for the clock and the filter's classid, which are the test's.
class Traffic
{
public:
    static constexpr std::uint32_t few_flows = 1024; // quicker to make than as many as usual
    static constexpr std::uint16_t pod_id = 7;       // of the pod that the packets are of

    // `sample_interval_ns` is 0 where every request counts; `capacity` is of the table of flows.
    explicit Traffic(std::uint64_t sample_interval_ns = 0, std::uint32_t capacity = few_flows);
    ~Traffic();

    // Lets one packet pass at a time. Fails the test if the verdict is not
    // TC_ACT_UNSPEC or the packet comes out changed.
    void pass(std::uint64_t at_ns, const Packet &packet) { pass(at_ns, packet.way, packet.build()); }
    void pass(std::uint64_t at_ns, Way way, const Bytes &bytes);
    void pass(const std::vector<Step> &steps)
    {
        for (const auto &[at_ns, packet] : steps)
            pass(at_ns, packet);
    }

    SamplesBy samples() const; // of round trips, but floors
    Samples waits(podrtt_kind kind, podrtt_leg leg) const;
    std::array<std::uint64_t, PODRTT_CONNECT_RESULTS> connects(podrtt_leg leg) const;
    std::uint64_t count(std::uint32_t bucket, podrtt_leg leg) const; // enum podrtt_count
    Samples floors(podrtt_leg leg) const;
    std::array<std::uint64_t, PODRTT_MATCHINGS> connections() const;
    std::uint64_t drops(podrtt_drop reason) const;
    std::size_t flows() const;
    std::vector<std::pair<podrtt_histogram_key, podrtt_histogram>> histograms() const;
    HistogramTable histogram_table() const;
    HistogramTable::Places histogram_places() const;

    void set(podrtt_setting setting, std::uint64_t value);

    // Live events are reported while the clock is before `until_ns`.
    void report_until(std::uint64_t until_ns);
    std::vector<podrtt_event> events();            // of samples, since the last call
    std::vector<podrtt_event> connection_events(); // the same, of connections

    podrtt_test_bpf *skeleton() { return skeleton_; }

private:
    void read_events();

    podrtt_test_bpf *skeleton_;
    std::vector<podrtt_event> events_, connection_events_; // that have been read, and not asked for
};

} // namespace podrtt
