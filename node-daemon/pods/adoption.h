// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <filesystem>

#include "bpf/user/attach/attacher.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/counts/repairs.h"

namespace podrtt
{

// Records pods that live but that no plugin has reported: created before it was in the chain, before the
// daemon ran first, or when it could not do its work. They are found in libcni's cache (`directory`). A
// host veth is believed to be a pod's if it is the peer of the pod's interface; or, where the network
// namespace is not known, if the kernel routes the pod's address there and its name is the one that
// Azure makes from the pod's.
void adopt_pods(Maps &maps, attach::Attacher &attacher, const std::filesystem::path &directory,
                Repairs &repairs, spdlog::logger &log);

} // namespace podrtt
