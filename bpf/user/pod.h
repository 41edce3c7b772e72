// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The pod's record in the map `pods`: how it is made, when two are the same, and how ids are
// given out. The plugin, adoption and the reconciler all do these things here.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "bpf/podrtt.h"
#include "bpf/user/error.h"
#include "bpf/user/map.h"
#include "bpf/user/veth.h"

namespace podrtt
{

using Pods = Map<std::uint32_t, podrtt_pod>;         // by pod id
using Settings = Map<std::uint32_t, std::uint64_t>;  // by enum podrtt_setting
using PodName = std::pair<std::string, std::string>; // namespace and pod

// What a runtime says of an interface of a pod's sandbox.
struct Sandbox {
    std::string args; // CNI_ARGS: "K8S_POD_NAME=web;K8S_POD_NAMESPACE=shop;…", in any order
    std::string container_id;
    std::string ifname;  // inside the pod
    std::string netns;   // a path; empty if it is not known
    std::string network; // "name" of the conflist; empty if it is not known
};

// A record without an interface. Runtimes without Kubernetes leave things out: a pod without a name is
// known by its container id, one without a namespace has none. What is not said is left empty.
//
// The values come from outside: what is too long, or holds other characters than Kubernetes and the
// runtimes allow in names, is refused; a path or a network's name that is too long is left out.
// `created` is CLOCK_REALTIME in nanoseconds.
Result<podrtt_pod> make_pod(const Sandbox &sandbox, std::uint64_t created);

void set_interface(podrtt_pod &pod, const HostVeth &veth);

// Without one, a record only keeps the samples of a pod that is gone.
inline bool has_interface(const podrtt_pod &pod)
{
    return pod.host_ifindex != 0;
}

// Whether this veth is the one that was recorded, and not another one with the same ifindex.
bool is_recorded_veth(const podrtt_pod &pod, const HostVeth &veth);

// Whether the record is that of this sandbox's interface. Never by a pod's name: the pod of
// that name may be the next one.
bool is_same_sandbox(const podrtt_pod &pod, std::string_view container_id, std::string_view ifname);

PodName pod_name(const podrtt_pod &pod);

// Since when its samples have been counted: of the oldest of the pods that it follows. CLOCK_REALTIME,
// nanoseconds.
inline std::uint64_t samples_since(const podrtt_pod &pod)
{
    return pod.since != 0 ? std::min<std::uint64_t>(pod.since, pod.created) : pod.created;
}

// "shop/web", for logs.
std::string describe(const podrtt_pod &pod);

// CLOCK_REALTIME, nanoseconds.
std::uint64_t realtime_ns();

// The id of the record, with an interface, that the pod's sandbox has; 0: none.
Result<std::uint32_t> find_sandbox(const Pods &pods, const podrtt_pod &pod);

// Writes the record of a pod with an interface and returns its id: the one that its sandbox has already, or
// a new one. A sandbox never takes over the record of another.
Result<std::uint32_t> record_pod(Pods &pods, Settings &settings, const podrtt_pod &pod);

// The same for what remains of a pod: a second record, without an interface.
Result<std::uint32_t> record_gone_pod(Pods &pods, Settings &settings, podrtt_pod pod);

// The record that keeps the samples of all pods of a namespace that have no series of their own.
podrtt_pod others_of_namespace(const podrtt_pod &pod);
bool is_others_of_namespace(const podrtt_pod &pod);

// Marks a pod as gone, if it is not marked yet. A record that has been collected meanwhile stays away.
Result<void> mark_deleted(Pods &pods, std::uint32_t id, podrtt_pod pod);

} // namespace podrtt
