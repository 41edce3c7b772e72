// SPDX-License-Identifier: Apache-2.0
#include "remains.h"

#include <cerrno>
#include <cstring>
#include <string_view>

namespace podrtt
{
namespace
{

constexpr std::uint32_t most_remains = 1 << 20; // far more than there are pods

bool is_same(const podrtt_pod &a, const podrtt_pod &b)
{
    return std::string_view(a.name_space) == b.name_space && std::string_view(a.name) == b.name &&
           std::string_view(a.container_id) == b.container_id && std::string_view(a.ifname) == b.ifname;
}

} // namespace

Result<std::uint32_t> add_remains(Map<std::uint32_t, podrtt_pod> &pods, podrtt_pod pod)
{
    std::uint32_t found = 0;
    auto read = pods.for_each([&](std::uint32_t id, const podrtt_pod &other) {
        if (id & PODRTT_ID_REMAINS && is_same(other, pod))
            found = id;
    });
    if (!read)
        return std::unexpected(read.error());
    if (found)
        return found;
    pod.host_ifindex = 0;
    for (std::uint32_t number = 0; number < most_remains; number++) {
        const std::uint32_t id = PODRTT_ID_REMAINS | number;
        auto written = pods.update(id, pod, BPF_NOEXIST);
        if (written)
            return id;
        if (written.error().code != EEXIST)
            return std::unexpected(written.error());
    }
    return failure("add", "remains of a pod", "all ids are in use");
}

Result<std::uint32_t> add_remains_of_others(Map<std::uint32_t, podrtt_pod> &pods, const podrtt_pod &pod)
{
    podrtt_pod others = {};
    std::memcpy(others.name_space, pod.name_space, sizeof(others.name_space));
    std::strncpy(others.name, PODRTT_OTHER, sizeof(others.name) - 1);
    others.named = PODRTT_NAMED_OTHER;
    return add_remains(pods, others);
}

bool is_remains_of_others(const podrtt_pod &pod)
{
    return std::string_view(pod.name) == PODRTT_OTHER;
}

} // namespace podrtt
