// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>

#include "bpf/user/error.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

// Takes the flows of pods that are gone out of the table, and records their floors as the pods': an id
// that is given out again must not meet what its last owner has left. No program may run for these pods
// any more. Returns how many flows there were.
Result<std::size_t> sweep_flows(Maps &maps, const std::set<std::uint32_t> &pods);

} // namespace podrtt
