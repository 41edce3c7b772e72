// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/gone_namespaces.h"

#include "node-daemon/counts/retirement.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::minutes interval{1};

// Of the places for totals, the share that is kept free of namespaces that are gone: one in so many.
constexpr std::size_t free_share = 8;

bool is_sum_of_many(const std::string &name_space)
{
    return name_space == PODRTT_OTHER || name_space == PODRTT_GONE;
}

} // namespace

Result<void> GoneNamespaces::retire(Maps &maps, const Pins &pins, Clock::time_point now)
{
    if (now < next_)
        return {};
    next_ = now + interval;

    std::set<std::string> with_pods;
    std::map<std::string, std::pair<std::uint32_t, podrtt_pod>>
        others; // what remains of pods without a name
    auto read = maps.pods.for_each([&](std::uint32_t id, const podrtt_pod &pod) {
        if (is_others_of_namespace(pod))
            others.emplace(pod.name_space, std::pair(id, pod));
        else
            with_pods.insert(pod.name_space);
    });
    if (!read)
        return read;
    std::set<std::string> gone;
    for (const auto &[name_space, record] : others)
        if (!with_pods.contains(name_space))
            gone.insert(name_space);
    std::size_t entries = 0;
    read = maps.totals.for_each([&](const podrtt_total_key &key, const podrtt_histogram &) {
        entries++;
        if (!with_pods.contains(key.name_space) && !is_sum_of_many(key.name_space))
            gone.insert(key.name_space);
    });
    if (!read)
        return read;

    const std::size_t capacity = maps.totals.capacity();
    const bool crowded = entries > capacity - capacity / free_share;
    std::erase_if(since_, [&](const auto &known) { return !gone.contains(known.first); });
    for (const auto &name_space : gone) {
        const auto [known, first] = since_.try_emplace(name_space, now);
        if (!crowded && now - known->second < grace_period_)
            continue;
        if (const auto rest = others.find(name_space); rest != others.end())
            if (auto retired = retire_pod(maps, pins, rest->second.first, rest->second.second); !retired)
                return retired;
        if (auto retired = retire_namespace(maps, pins, name_space); !retired)
            return retired;
        since_.erase(known);
    }
    return {};
}

} // namespace podrtt
