// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "error.h"
#include "map.h"
#include "podrtt.h"

namespace podrtt
{

// Adds an entry for what remains of a pod: it has samples, and no interface. Returns its id;
// that of an entry of the same container and interface, if there is one.
Result<std::uint32_t> add_remains(Map<std::uint32_t, podrtt_pod> &pods, podrtt_pod pod);

// The same for the pods of a namespace that have no name of their own, all together.
Result<std::uint32_t> add_remains_of_others(Map<std::uint32_t, podrtt_pod> &pods, const podrtt_pod &pod);

inline bool is_remains(std::uint32_t id)
{
    return id & PODRTT_ID_REMAINS && !(id & PODRTT_ID_IN_POD);
}

// Whether this is the entry of add_remains_of_others(), which stays.
bool is_remains_of_others(const podrtt_pod &pod);

} // namespace podrtt
