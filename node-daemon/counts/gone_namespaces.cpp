// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/gone_namespaces.h"

#include "node-daemon/counts/retirement.h"

namespace podrtt
{
namespace
{

constexpr std::chrono::minutes interval{1};

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

    std::set<std::string> with_pods, gone;
    // What remains of pods without a name.
    std::map<std::string, std::pair<std::uint32_t, podrtt_pod>> others;
    auto read = maps.pods.for_each([&](std::uint32_t id, const podrtt_pod &pod) {
        if (is_others_of_namespace(pod)) {
            others.emplace(pod.name_space, std::pair(id, pod));
            gone.insert(pod.name_space);
        } else {
            with_pods.insert(pod.name_space);
        }
    });
    if (!read)
        return read;
    std::size_t entries = 0;
    read = maps.totals.for_each([&](const podrtt_total_key &key, const podrtt_histogram &) {
        entries++;
        gone.insert(key.name_space);
    });
    if (!read)
        return read;
    std::erase_if(gone, [&](const std::string &name_space) {
        return with_pods.contains(name_space) || is_sum_of_many(name_space);
    });

    const bool crowded = is_nearly_full(entries, maps.totals.capacity());
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
