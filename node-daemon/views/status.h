// SPDX-License-Identifier: Apache-2.0
//
// What podrtt does on this node, as another process than the daemon finds it: in the pins, the kernel and
// the runtime's directories. Changes nothing.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/kinds.h"
#include "bpf/user/pins.h"
#include "node-daemon/export/snapshot.h"
#include "node-daemon/install/install.h"

namespace podrtt
{

struct StatusOptions {
    InstallOptions installation; // where the plugin should be
    bool json = false;
};

struct DropStatus {
    const Drop *drop;
    std::uint64_t count;
};

struct PodStatus {
    std::string name_space;
    std::string pod;
    std::string host_interface;
    bool attached = false; // programs of podrtt are on both directions
    std::string reason;    // if not, or if that cannot be found out
    bool one_way = false;  // connections were met of which only one direction passes by
};

// Those of the snapshot that live.
std::vector<PodStatus> find_pods(const Snapshot &snapshot, const Pins &pins);

struct MapStatus {
    const char *name;
    std::size_t entries;
    std::uint32_t capacity;

    double share() const { return static_cast<double>(entries) / capacity; }
};

struct Status {
    bool daemon_runs = false;
    InstallationState plugin;
    std::vector<PodStatus> pods; // that live
    std::vector<MapStatus> maps;
    std::vector<DropStatus> left_out;
    std::uint64_t samples = 0; // of all that is timed, of pods and namespaces

    // An error if there are no pins of this layout.
    static Result<Status> take(const Pins &pins, const InstallOptions &options);
};

// Prints the status, for people or as JSON. False if no daemon runs, or a pod is not measured.
Result<bool> status(const Pins &pins, const StatusOptions &options, std::ostream &out);

} // namespace podrtt
