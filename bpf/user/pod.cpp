// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/pod.h"

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace podrtt
{
namespace
{

bool is_name_character(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == ':';
}

template <std::size_t size>
Result<void> assign(char (&field)[size], std::string_view what, std::string_view value)
{
    if (value.size() >= size)
        return failure("read", std::string(what),
                       "longer than " + std::to_string(size - 1) + " characters");
    if (!std::ranges::all_of(value, is_name_character))
        return failure("read", std::string(what), "it has a character that no name may have");
    std::ranges::copy(value, field);
    return {};
}

// The value of `name` in "NAME=VALUE;NAME=VALUE", or nothing.
std::string_view find_argument(std::string_view args, std::string_view name)
{
    while (!args.empty()) {
        std::string_view pair = args.substr(0, args.find(';'));
        args.remove_prefix(std::min(args.size(), pair.size() + 1));
        if (pair.starts_with(name) && pair.substr(name.size()).starts_with('='))
            return pair.substr(name.size() + 1);
    }
    return {};
}

template <std::size_t size>
void copy_if_it_fits(char (&field)[size], const std::string &text)
{
    if (text.size() < size)
        text.copy(field, size - 1);
}

// An id that no record has, from the one after the last given out on: so that an id is not used
// again soon.
Result<std::uint32_t> claim_id(Pods &pods, Settings &settings, const podrtt_pod &pod)
{
    auto next = settings.lookup(PODRTT_SETTING_NEXT_ID);
    if (!next)
        return std::unexpected(next.error());
    const std::uint64_t first = next->value_or(0);
    for (std::uint32_t i = 0; i < PODRTT_MAX_POD_ID; i++) {
        const auto id = static_cast<std::uint32_t>((first + i) % PODRTT_MAX_POD_ID + 1);
        auto claimed = pods.update(id, pod, BPF_NOEXIST);
        if (claimed) {
            [[maybe_unused]] auto noted = settings.update(PODRTT_SETTING_NEXT_ID, id); // only a hint
            return id;
        }
        if (claimed.error().code != EEXIST)
            return std::unexpected(claimed.error());
    }
    return failure("claim", "pod id", "all ids are in use");
}

// The id of a record that `is_it` accepts; 0 if there is none.
template <typename IsIt>
Result<std::uint32_t> find_record(const Pods &pods, const IsIt &is_it)
{
    std::uint32_t found = 0;
    auto read = pods.for_each([&](std::uint32_t id, const podrtt_pod &pod) {
        if (is_it(pod))
            found = id;
    });
    return read ? Result<std::uint32_t>(found) : std::unexpected(read.error());
}

} // namespace

Result<podrtt_pod> make_pod(const Sandbox &sandbox, std::uint64_t created)
{
    podrtt_pod pod = {};
    std::string_view name = find_argument(sandbox.args, "K8S_POD_NAME");
    Result<void> results[] = {
        assign(pod.name_space, "K8S_POD_NAMESPACE", find_argument(sandbox.args, "K8S_POD_NAMESPACE")),
        assign(pod.name, "K8S_POD_NAME", name.empty() ? sandbox.container_id : name),
        assign(pod.uid, "K8S_POD_UID", find_argument(sandbox.args, "K8S_POD_UID")),
        assign(pod.container_id, "CNI_CONTAINERID", sandbox.container_id),
        assign(pod.ifname, "CNI_IFNAME", sandbox.ifname),
    };
    for (const auto &result : results)
        if (!result)
            return std::unexpected(result.error());
    copy_if_it_fits(pod.netns, sandbox.netns);
    copy_if_it_fits(pod.network, sandbox.network);
    pod.created = created;
    return pod;
}

void set_interface(podrtt_pod &pod, const HostVeth &veth)
{
    copy_if_it_fits(pod.host_ifname, veth.name);
    pod.host_ifindex = static_cast<std::uint32_t>(veth.ifindex);
    pod.pod_ifindex = static_cast<std::uint32_t>(veth.pod_ifindex);
    pod.netns_cookie = veth.netns_cookie;
}

bool is_recorded_veth(const podrtt_pod &pod, const HostVeth &veth)
{
    const bool same_netns =
        !pod.netns_cookie || !veth.netns_cookie || pod.netns_cookie == veth.netns_cookie;
    return static_cast<std::uint32_t>(veth.ifindex) == pod.host_ifindex && same_netns;
}

bool is_same_sandbox(const podrtt_pod &pod, std::string_view container_id, std::string_view ifname)
{
    return pod.container_id == container_id && pod.ifname == ifname;
}

PodName pod_name(const podrtt_pod &pod)
{
    return {pod.name_space, pod.name};
}

std::string describe(const podrtt_pod &pod)
{
    return std::string(pod.name_space) + "/" + pod.name;
}

std::uint64_t realtime_ns()
{
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count());
}

Result<std::uint32_t> find_sandbox(const Pods &pods, const podrtt_pod &pod)
{
    return find_record(pods, [&pod](const podrtt_pod &other) {
        return has_interface(other) && is_same_sandbox(other, pod.container_id, pod.ifname);
    });
}

Result<std::uint32_t> record_pod(Pods &pods, Settings &settings, const podrtt_pod &pod)
{
    auto known = find_sandbox(pods, pod);
    if (!known || *known == 0)
        return known ? claim_id(pods, settings, pod) : known;
    auto present = pods.lookup(*known);
    if (!present)
        return std::unexpected(present.error());
    podrtt_pod updated = pod;
    if (*present) {
        updated.named = (**present).named;
        updated.since = (**present).since;
        if ((**present).host_ifindex == pod.host_ifindex)
            updated.attach = (**present).attach;
    }
    if (auto written = pods.update(*known, updated); !written)
        return std::unexpected(written.error());
    return known;
}

Result<std::uint32_t> record_gone_pod(Pods &pods, Settings &settings, podrtt_pod pod)
{
    pod.host_ifindex = 0;
    auto known = find_record(pods, [&pod](const podrtt_pod &other) {
        return !has_interface(other) && pod_name(other) == pod_name(pod) &&
               is_same_sandbox(other, pod.container_id, pod.ifname);
    });
    return !known || *known != 0 ? known : claim_id(pods, settings, pod);
}

podrtt_pod others_of_namespace(const podrtt_pod &pod)
{
    podrtt_pod others = {};
    std::memcpy(others.name_space, pod.name_space, sizeof(others.name_space));
    std::strncpy(others.name, PODRTT_OTHER, sizeof(others.name) - 1);
    others.named = PODRTT_NAMED_OTHER;
    return others;
}

bool is_others_of_namespace(const podrtt_pod &pod)
{
    return std::string_view(pod.name) == PODRTT_OTHER;
}

Result<void> mark_deleted(Pods &pods, std::uint32_t id, podrtt_pod pod)
{
    if (pod.deleted)
        return {};
    pod.deleted = realtime_ns();
    auto written = pods.update(id, pod, BPF_EXIST);
    return written || written.error().code == ENOENT ? Result<void>() : written;
}

} // namespace podrtt
