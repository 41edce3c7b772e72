// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <filesystem>
#include <string>

#include "maps.h"
#include "repairs.h"

namespace podrtt
{

// Writes identities into the pods map for pods that live but that no plugin has told of:
// created before it was in the chain, before the daemon ran first, or when it could not do
// its work. They are found in libcni's cache (`directory`). A host veth is believed to be a
// pod's if it is the peer of the pod's interface; or, where the network namespace is not
// known, if the kernel routes the pod's address there and its name is the one that Azure
// makes from the pod's.
void adopt_pods(Maps &maps, const std::filesystem::path &directory, Repairs &repairs, spdlog::logger &log);

// "azv" and the first 11 digits of SHA-1 of "<namespace>.<pod>", as azure-vnet names host veths.
std::string azure_veth_name(const std::string &name_space, const std::string &pod);

} // namespace podrtt
