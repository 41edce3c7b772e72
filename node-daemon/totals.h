// SPDX-License-Identifier: Apache-2.0
//
// Namespace totals: what pods that are gone have measured stays in the total of their
// namespace, so that a namespace's counters never go backwards.
#pragma once

#include "error.h"
#include "maps.h"

namespace podrtt
{

podrtt_total_key total_key(const podrtt_pod &pod, const podrtt_histogram_key &key);

// Moves the pod's histograms into its namespace's totals and forgets the pod. Its veth
// must be gone, so that no sample can come any more. May be ended at any point and
// repeated: nothing is lost and nothing counted twice.
Result<void> retire_pod(Maps &maps, std::uint32_t id, const podrtt_pod &pod);

// Finishes the move that a crash has interrupted, if there is one. Must be called
// before the maps are read or another pod is retired.
Result<void> finish_interrupted_move(Maps &maps);

} // namespace podrtt
