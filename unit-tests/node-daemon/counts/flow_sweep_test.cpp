// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/flow_sweep.h"

#include "bpf/flow.h"
#include "bpf/histogram_math.h"
#include "bpf/user/histogram.h"
#include "bpf/user/mapped_array.h"
#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

constexpr std::uint32_t millisecond = 31250; // units of 32 ns

class Sweep : public PinnedMaps
{
protected:
    podrtt_flow &place(std::size_t number)
    {
        return table_.values()[number / PODRTT_FLOW_WAYS].way[number % PODRTT_FLOW_WAYS];
    }

    void put(std::size_t number, std::uint16_t pod, std::uint32_t network_floor, std::uint32_t pod_floor)
    {
        podrtt_flow &flow = place(number);
        flow.key.pod = pod;
        flow.key.protocol = 6;
        flow.peer = 1;
        flow.floor[PODRTT_LEG_NETWORK] = std::uint64_t{network_floor} << 32 | 5;
        flow.floor[PODRTT_LEG_POD] = pod_floor ? std::uint64_t{pod_floor} << 32 | 5 : 0;
    }

    std::uint64_t floors(std::uint32_t pod, podrtt_leg leg)
    {
        auto found = maps_->histograms.lookup(key(pod, leg, PODRTT_KIND_FLOOR, 1));
        return *found ? sample_count(**found) : 0;
    }

    MappedArray<podrtt_flow_set> table_ =
        std::move(*MappedArray<podrtt_flow_set>::open(pins_.path(PODRTT_MAP_FLOWS)));
};

TEST_F(Sweep, TakesTheFlowsOfThesePodsAndTheirFloors)
{
    put(0, 7, millisecond, 0);
    put(9, 7, 2 * millisecond, millisecond);
    put(100, 8, millisecond, millisecond);
    put(1023, 9, millisecond, millisecond);
    EXPECT_EQ(sweep_flows(*maps_, {7, 9}), 3u);
    EXPECT_EQ(place(0).key.pod, 0);
    EXPECT_EQ(place(9).key.pod, 0);
    EXPECT_EQ(place(100).key.pod, 8);
    EXPECT_EQ(place(1023).key.pod, 0);
    EXPECT_EQ(floors(7, PODRTT_LEG_NETWORK), 2u);
    EXPECT_EQ(floors(7, PODRTT_LEG_POD), 1u);
    EXPECT_EQ(floors(8, PODRTT_LEG_NETWORK), 0u);
    EXPECT_EQ(floors(9, PODRTT_LEG_POD), 1u);
    EXPECT_EQ(sweep_flows(*maps_, {7, 9}), 0u);
    EXPECT_EQ(floors(7, PODRTT_LEG_NETWORK), 2u);
}

// A CPU is taking the place for a living pod.
TEST_F(Sweep, LeavesPlacesThatChangeHands)
{
    place(5).key.protocol = 0xff; // PODRTT_FLOW_BUSY
    EXPECT_EQ(sweep_flows(*maps_, {7}), 0u);
    EXPECT_EQ(place(5).key.protocol, 0xff);
}

TEST_F(Sweep, FloorsThatFindNoRoomAreCounted)
{
    for (std::uint32_t id = 1000; maps_->histograms.count(key(id), 0, 0); id++)
        ;
    put(0, 7, millisecond, millisecond);
    EXPECT_EQ(sweep_flows(*maps_, {7}), 1u);
    EXPECT_EQ(maps_->dropped(PODRTT_DROP_HISTOGRAMS_FULL), 2u);
}

} // namespace
} // namespace podrtt
