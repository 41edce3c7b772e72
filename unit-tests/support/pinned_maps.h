// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "bpf/user/datapath.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

// The real maps, empty at the start of each test.
class PinnedMaps : public virtual testing::Test
{
protected:
    PinnedMaps()
    {
        EXPECT_TRUE(load_datapath(pins_, {.flows = 1024, .histograms = 64, .pods = 64}));
        open();
    }
    ~PinnedMaps() override
    {
        maps_.reset();
        std::filesystem::remove_all(pins_.directory().parent_path());
    }

    void open() { maps_ = std::make_unique<Maps>(std::move(*Maps::open(pins_))); }

    // A record of a sandbox of its own.
    static podrtt_pod pod(const std::string &name_space, const std::string &name, std::uint64_t deleted = 0)
    {
        static unsigned sandboxes = 0;
        podrtt_pod pod = {};
        name_space.copy(pod.name_space, sizeof(pod.name_space) - 1);
        name.copy(pod.name, sizeof(pod.name) - 1);
        std::string("sandbox" + std::to_string(++sandboxes))
            .copy(pod.container_id, sizeof(pod.container_id) - 1);
        std::string("eth0").copy(pod.ifname, sizeof(pod.ifname) - 1);
        pod.created = sandboxes;
        pod.deleted = deleted;
        return pod;
    }

    // `count` samples in one bucket, of 1000 ns in sum each.
    static podrtt_histogram samples(std::uint64_t count, std::uint32_t bucket = 100)
    {
        podrtt_histogram histogram = {};
        histogram.bucket[bucket] = count;
        histogram.sum = count * 1000;
        return histogram;
    }

    static podrtt_histogram_key key(std::uint32_t pod, podrtt_leg leg = PODRTT_LEG_NETWORK,
                                    podrtt_kind kind = PODRTT_KIND_DATA, std::uint8_t peer = 0)
    {
        return {.pod = pod,
                .leg = static_cast<__u8>(leg),
                .kind = static_cast<__u8>(kind),
                .peer = peer,
                .pad = 0};
    }

    Pins pins_{"/sys/fs/bpf/podrtt"};
    std::unique_ptr<Maps> maps_;
};

} // namespace podrtt
