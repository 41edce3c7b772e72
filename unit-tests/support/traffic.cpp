// SPDX-License-Identifier: Apache-2.0
#include "unit-tests/support/traffic.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <stdexcept>
#include <utility>

#include "bpf/flow.h"
#include "bpf/user/datapath.h"
#include "bpf/user/histogram.h"
#include "bpf/user/kinds.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t verdict_unspec = 0xffffffff; // TC_ACT_UNSPEC, -1

} // namespace

std::ostream &operator<<(std::ostream &out, const Samples &samples)
{
    return out << samples.count << " samples, " << samples.sum_ns << " ns in sum";
}

Traffic::Traffic(std::uint64_t sample_interval_ns, std::uint32_t capacity)
    : skeleton_(podrtt_test_bpf__open())
{
    if (!skeleton_)
        throw std::runtime_error("cannot open the BPF object");
    bpf_map *map;
    bpf_object__for_each_map(map, skeleton_->obj) bpf_map__set_pin_path(map, nullptr);
    // The same code once more, which takes as long again to verify.
    for (bpf_program *of_tcx : {skeleton_->progs.podrtt_tcx_from, skeleton_->progs.podrtt_tcx_to})
        bpf_program__set_autoload(of_tcx, false);
    const std::uint32_t sets = capacity / PODRTT_FLOW_WAYS;
    bpf_map__set_max_entries(skeleton_->maps.flows, sets);
    skeleton_->rodata->flow_sets = sets;
    skeleton_->bss->fake_classid = pod_id;
    std::mt19937 random;
    std::ranges::generate(skeleton_->rodata->flow_hash_key, random);
    skeleton_->rodata->sample_interval = to_jiffies(std::chrono::nanoseconds(sample_interval_ns),
                                                    std::chrono::nanoseconds(PODRTT_FAKE_JIFFY_NS));
    if (podrtt_test_bpf__load(skeleton_) != 0) {
        podrtt_test_bpf__destroy(skeleton_);
        throw std::runtime_error("cannot load the BPF object");
    }
}

Traffic::~Traffic()
{
    podrtt_test_bpf__destroy(skeleton_);
}

void Traffic::pass(std::uint64_t at_ns, Way way, const Bytes &bytes)
{
    skeleton_->bss->fake_clock_ns = at_ns;
    bpf_program *program =
        way == Way::from_pod ? skeleton_->progs.podrtt_from_pod : skeleton_->progs.podrtt_to_pod;
    Bytes out(bytes.size() + 64);
    LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes.data(), .data_out = out.data(),
                .data_size_in = static_cast<std::uint32_t>(bytes.size()),
                .data_size_out = static_cast<std::uint32_t>(out.size()), .repeat = 1);
    ASSERT_EQ(bpf_prog_test_run_opts(bpf_program__fd(program), &options), 0);
    EXPECT_EQ(options.retval, verdict_unspec);
    out.resize(options.data_size_out);
    EXPECT_EQ(out, bytes);
}

HistogramTable::Places Traffic::histogram_places() const
{
    return HistogramTable::Places::of(Fd(dup(bpf_map__fd(skeleton_->maps.histograms))), "histograms")
        .value();
}

HistogramTable Traffic::histogram_table() const
{
    return HistogramTable::of(histogram_places(), "histograms").value();
}

std::vector<std::pair<podrtt_histogram_key, podrtt_histogram>> Traffic::histograms() const
{
    return histogram_table().entries().value();
}

SamplesBy Traffic::samples() const
{
    SamplesBy samples;
    for (const auto &[key, histogram] : histograms())
        if (key.kind == PODRTT_KIND_DATA || key.kind == PODRTT_KIND_HANDSHAKE ||
            key.kind == PODRTT_KIND_ECHO)
            samples[{static_cast<podrtt_leg>(key.leg), static_cast<podrtt_kind>(key.kind)}] = {
                sample_count(histogram), histogram.sum};
    return samples;
}

Samples Traffic::floors(podrtt_leg leg) const
{
    return waits(PODRTT_KIND_FLOOR, leg);
}

Samples Traffic::waits(podrtt_kind kind, podrtt_leg leg) const
{
    for (const auto &[key, histogram] : histograms())
        if (key.leg == leg && key.kind == kind)
            return {sample_count(histogram), histogram.sum};
    return {};
}

std::uint64_t Traffic::count(std::uint32_t bucket, podrtt_leg leg) const
{
    for (const auto &[key, histogram] : histograms())
        if (key.leg == leg && key.kind == PODRTT_KIND_COUNTS)
            return histogram.bucket[bucket];
    return 0;
}

std::array<std::uint64_t, PODRTT_CONNECT_RESULTS> Traffic::connects(podrtt_leg leg) const
{
    std::array<std::uint64_t, PODRTT_CONNECT_RESULTS> results = {};
    for (std::uint32_t result = 0; result < results.size(); result++)
        results[result] = count(bucket_of(PODRTT_COUNT_CONNECTS, result), leg);
    return results;
}

std::array<std::uint64_t, PODRTT_MATCHINGS> Traffic::connections() const
{
    std::array<std::uint64_t, PODRTT_MATCHINGS> connections = {};
    for (std::uint32_t matching = 0; matching < connections.size(); matching++)
        connections[matching] = count(bucket_of(PODRTT_COUNT_CONNECTIONS, matching), PODRTT_LEG_NETWORK);
    return connections;
}

std::uint64_t Traffic::drops(podrtt_drop reason) const
{
    std::uint32_t key = reason;
    std::uint64_t count = 0;
    EXPECT_EQ(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.drops), &key, &count), 0);
    return count;
}

std::size_t Traffic::flows() const
{
    const int fd = bpf_map__fd(skeleton_->maps.flows);
    std::size_t flows = 0;
    for (std::uint32_t number = 0; number < map_capacity(fd); number++) {
        podrtt_flow_set set;
        EXPECT_EQ(bpf_map_lookup_elem(fd, &number, &set), 0);
        flows += std::ranges::count_if(set.way, [](const auto &flow) { return flow.key.pod != 0; });
    }
    return flows;
}

void Traffic::report_until(std::uint64_t until_ns)
{
    set(PODRTT_SETTING_EVENTS_UNTIL, until_ns);
}

void Traffic::set(podrtt_setting setting, std::uint64_t value)
{
    const std::uint32_t key = setting;
    EXPECT_EQ(bpf_map_update_elem(bpf_map__fd(skeleton_->maps.settings), &key, &value, BPF_ANY), 0);
}

void Traffic::read_events()
{
    auto keep = [](void *to, void *data, std::size_t size) {
        EXPECT_EQ(size, sizeof(podrtt_event));
        auto &traffic = *static_cast<Traffic *>(to);
        const auto &event = *static_cast<podrtt_event *>(data);
        (event.kind < PODRTT_KINDS ? traffic.events_ : traffic.connection_events_).push_back(event);
        return 0;
    };
    ring_buffer *ring = ring_buffer__new(bpf_map__fd(skeleton_->maps.events), keep, this, nullptr);
    EXPECT_NE(ring, nullptr);
    ring_buffer__consume(ring);
    ring_buffer__free(ring);
}

std::vector<podrtt_event> Traffic::events()
{
    read_events();
    return std::exchange(events_, {});
}

std::vector<podrtt_event> Traffic::connection_events()
{
    read_events();
    return std::exchange(connection_events_, {});
}

} // namespace podrtt
