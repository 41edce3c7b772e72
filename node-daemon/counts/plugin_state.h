// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>

namespace podrtt
{

// Of the CNI plugin on this node: told by who keeps it there, asked by others. Thread-safe.
struct PluginState {
    std::atomic<bool> in_place = false;  // tried, and with an entry in the chain
    std::atomic<bool> contended = false; // another writer puts its own version of the list back for ever
};

} // namespace podrtt
