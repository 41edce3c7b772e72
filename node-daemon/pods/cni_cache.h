// SPDX-License-Identifier: Apache-2.0
//
// What libcni keeps of each pod interface that it has made, below /var/lib/cni/results, in
// files <network>-<container>-<ifname> ("cniCacheV1", libcni 0.7 and later).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

struct CachedInterface {
    std::string network;
    std::string container_id;
    std::string ifname;
    std::string args;                   // as CNI_ARGS
    std::string netns;                  // a path; empty if neither libcni (1.2) nor the result says
    std::vector<std::string> addresses; // of the pod, without prefix length
    std::uint64_t written = 0;          // CLOCK_REALTIME, nanoseconds
};

Result<CachedInterface> parse_cached_interface(const std::string &text);

// All that can be read, latest first: libcni writes files in place and leaves them behind
// after a reboot. A directory that is not there is empty.
std::vector<CachedInterface> read_cni_cache(const std::filesystem::path &directory);

} // namespace podrtt
