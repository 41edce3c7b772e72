// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/datapath.h"

#include <bpf/bpf.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <iostream>
#include <thread>

#include "bpf/flow.h"
#include "bpf/user/histogram.h"
#include "bpf/user/histogram_table.h"
#include "unit-tests/support/packet.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;

constexpr std::uint32_t few = 1024;

class Datapath : public testing::Test
{
protected:
    ~Datapath() override { std::filesystem::remove_all("/sys/fs/bpf/podrtt"); }

    Result<void> load(std::uint32_t flows = few) { return load_datapath(pins_, {.flows = flows}); }

    std::uint32_t program_id(const char *name)
    {
        auto program = pins_.program(name);
        bpf_prog_info info = {};
        std::uint32_t length = sizeof(info);
        EXPECT_TRUE(program && bpf_obj_get_info_by_fd(program->get(), &info, &length) == 0);
        return info.id;
    }

    std::uint32_t flow_capacity()
    {
        auto map = Map<std::uint32_t, podrtt_flow_set>::open(pins_.path(PODRTT_MAP_FLOWS));
        bpf_map_info info = {};
        std::uint32_t length = sizeof(info);
        EXPECT_TRUE(map && bpf_obj_get_info_by_fd(map->fd(), &info, &length) == 0);
        return info.max_entries * PODRTT_FLOW_WAYS;
    }

    void pass(const Packet &packet)
    {
        // Those of TCX, which find the pod by the interface: the kernel runs a test on ifindex 1.
        auto tcx_pods = Map<std::uint32_t, std::uint32_t>::open(pins_.path(PODRTT_MAP_TCX_PODS));
        ASSERT_TRUE(tcx_pods && tcx_pods->update(1, 7));
        auto program =
            pins_.program(packet.way == Way::from_pod ? PODRTT_PROGRAM_TCX_FROM : PODRTT_PROGRAM_TCX_TO);
        const Bytes bytes = packet.build();
        LIBBPF_OPTS(bpf_test_run_opts, options, .data_in = bytes.data(),
                    .data_size_in = static_cast<std::uint32_t>(bytes.size()), .repeat = 1);
        ASSERT_TRUE(program && bpf_prog_test_run_opts(program->get(), &options) == 0);
    }

    std::uint64_t samples(podrtt_kind kind)
    {
        std::uint64_t samples = 0;
        auto table = HistogramTable::open(pins_.path(PODRTT_MAP_HISTOGRAMS));
        EXPECT_TRUE(table && table->for_each([&](const auto &key, const auto &histogram) {
            if (key.kind == kind)
                samples += sample_count(histogram);
        }));
        return samples;
    }

    Pins pins_{"/sys/fs/bpf/podrtt"};
};

constexpr const char *programs[] = {PODRTT_PROGRAM_FROM_POD, PODRTT_PROGRAM_TO_POD, PODRTT_PROGRAM_TCX_FROM,
                                    PODRTT_PROGRAM_TCX_TO};

TEST_F(Datapath, PinsProgramsAndMaps)
{
    ASSERT_TRUE(load());
    for (const char *program : programs)
        EXPECT_TRUE(pins_.program(program)) << program;
    EXPECT_TRUE(pins_.pods());
    EXPECT_EQ(flow_capacity(), few);
}

// The verifier gives up at a million. Older kernels look at more paths through a program,
// so there must be room.
TEST_F(Datapath, ProgramsAreFarFromTheVerifiersLimit)
{
    ASSERT_TRUE(load());
    for (const char *name : programs) {
        auto program = pins_.program(name);
        bpf_prog_info info = {};
        std::uint32_t length = sizeof(info);
        ASSERT_TRUE(program && bpf_obj_get_info_by_fd(program->get(), &info, &length) == 0);
        std::cout << name << ": " << info.verified_insns << " instructions verified, "
                  << info.xlated_prog_len / 8 << " long\n";
        EXPECT_LT(info.verified_insns, 150'000u) << name;
        EXPECT_GT(info.verified_insns, 1'000u) << name;
    }
}

TEST_F(Datapath, LoadedAgainKeepsWhatMapsHoldAndReplacesPrograms)
{
    ASSERT_TRUE(load());
    podrtt_pod pod = {};
    pod.created = 42;
    ASSERT_TRUE(pins_.pods()->update(7, pod));
    std::uint32_t before = program_id(PODRTT_PROGRAM_FROM_POD);

    ASSERT_TRUE(load());
    auto kept = pins_.pods()->lookup(7);
    ASSERT_TRUE(kept && *kept);
    EXPECT_EQ((*kept)->created, 42u);
    EXPECT_NE(program_id(PODRTT_PROGRAM_FROM_POD), before);
}

// The table's hash is keyed by chance: the programs that come after must use the same key.
TEST_F(Datapath, LoadedAgainFindsTheConnectionsUnderWay)
{
    constexpr std::uint16_t connections = 50;
    ASSERT_TRUE(load());
    for (std::uint16_t i = 0; i < connections; i++)
        pass({.way = Way::from_pod,
              .flags = SYN,
              .seq = 999,
              .pod_port = static_cast<std::uint16_t>(1000 + i)});
    ASSERT_TRUE(load());
    for (std::uint16_t i = 0; i < connections; i++)
        pass({.way = Way::to_pod,
              .flags = SYN | ACK,
              .seq = 4999,
              .ack = 1000,
              .pod_port = static_cast<std::uint16_t>(1000 + i)});
    EXPECT_EQ(samples(PODRTT_KIND_HANDSHAKE), connections);
}

TEST(SampleIntervals, AreRoundedUpToJiffies)
{
    using namespace std::chrono_literals;
    EXPECT_EQ(to_jiffies(0ms, 4ms), 0);
    EXPECT_EQ(to_jiffies(1ns, 4ms), 1);
    EXPECT_EQ(to_jiffies(8ms, 4ms), 2);
    EXPECT_EQ(to_jiffies(10ms, 4ms), 3);
    EXPECT_EQ(to_jiffies(1000ms, 1ms), 1000);
}

TEST_F(Datapath, ReasonsAndSettingsHaveRoomToSpare)
{
    ASSERT_TRUE(load());
    auto drops = Map<std::uint32_t, std::uint64_t>::open(pins_.path(PODRTT_MAP_DROPS));
    ASSERT_TRUE(drops);
    EXPECT_EQ(drops->capacity(), 64u);
    EXPECT_EQ(pins_.settings()->capacity(), 16u);
}

TEST_F(Datapath, OwnerOfTheFiltersStaysOverReloads)
{
    ASSERT_TRUE(load());
    const auto owner = **pins_.settings()->lookup(PODRTT_SETTING_OWNER);
    EXPECT_GE(owner, 1u);
    EXPECT_LE(owner, 0xffffu);
    ASSERT_TRUE(load());
    EXPECT_EQ(**pins_.settings()->lookup(PODRTT_SETTING_OWNER), owner);
}

// The only test with the kernel's own clock, so its bounds are wide.
TEST_F(Datapath, SamplesAConnectionAsOftenAsItIsTold)
{
    using namespace std::chrono_literals;
    using Clock = std::chrono::steady_clock;
    constexpr auto interval = 50ms;
    ASSERT_TRUE(load_datapath(pins_, {.flows = few, .sample_interval = interval}));
    pass({.way = Way::from_pod, .flags = SYN, .seq = 999});
    pass({.way = Way::to_pod, .flags = SYN | ACK, .seq = 4999, .ack = 1000});
    pass({.way = Way::from_pod, .seq = 1000, .ack = 5000});
    std::uint32_t requests = 0;
    const auto start = Clock::now();
    for (; Clock::now() < start + 1s; requests++) {
        const std::uint32_t seq = 1000 + 100 * requests;
        pass({.way = Way::from_pod, .flags = ACK | PSH, .seq = seq, .ack = 5000, .length = 100});
        pass({.way = Way::to_pod, .seq = 5000, .ack = seq + 100});
        std::this_thread::sleep_for(1ms);
    }
    const auto intervals = static_cast<std::uint64_t>((Clock::now() - start) / interval);
    EXPECT_GT(requests, 2 * intervals);
    EXPECT_GE(samples(PODRTT_KIND_DATA), intervals / 10);
    EXPECT_LE(samples(PODRTT_KIND_DATA), requests / 4);
}

TEST_F(Datapath, FlowTableOfAnotherSizeIsMadeAnew)
{
    ASSERT_TRUE(load(few));
    ASSERT_TRUE(load(2 * few));
    EXPECT_EQ(flow_capacity(), 2 * few);
}

TEST_F(Datapath, MapOfAnotherLayoutIsRefusedAndLeftAsItIs)
{
    std::filesystem::create_directories(pins_.directory());
    Fd other(bpf_map_create(BPF_MAP_TYPE_HASH, "pods", 4, 8, 16, nullptr));
    ASSERT_EQ(bpf_obj_pin(other.get(), pins_.path(PODRTT_MAP_PODS).c_str()), 0);

    auto loaded = load();
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message(), HasSubstr("pods"));
    EXPECT_TRUE((Map<std::uint32_t, std::uint64_t>::open(pins_.path(PODRTT_MAP_PODS))));
}

TEST_F(Datapath, OutsideOfABpffsIsAnError)
{
    auto loaded = load_datapath(Pins("/tmp/podrtt-no-bpffs"), {.flows = few});
    std::filesystem::remove_all("/tmp/podrtt-no-bpffs");
    ASSERT_FALSE(loaded);
    EXPECT_THAT(loaded.error().message(), HasSubstr("/tmp/podrtt-no-bpffs"));
}

TEST_F(Datapath, PinnedProgramThatIsMissingIsNamed)
{
    auto program = pins_.program(PODRTT_PROGRAM_TO_POD);
    ASSERT_FALSE(program);
    EXPECT_EQ(program.error().code, ENOENT);
    EXPECT_THAT(program.error().message(),
                HasSubstr("/sys/fs/bpf/podrtt/" PODRTT_LAYOUT_DIR "/podrtt_to_pod"));
}

} // namespace
} // namespace podrtt
