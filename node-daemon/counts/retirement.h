// SPDX-License-Identifier: Apache-2.0
//
// Where the samples of pods that are gone go, so that no counter ever goes backwards. The
// veths of these pods must be gone, too: no sample can come any more. Programs may be counting where they
// go. All of this may be ended at any point and repeated; nothing is lost and nothing counted twice.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

podrtt_total_key total_key(const podrtt_pod &pod, const podrtt_histogram_key &key);

// Moves the pod's histograms into its namespace's totals and forgets the pod.
Result<void> retire_pod(Maps &maps, const Pins &pins, std::uint32_t id, const podrtt_pod &pod);

// Moves the histograms of `from` into those of `to`, a pod of the same name that may be alive, and forgets
// `from`.
Result<void> merge_pod(Maps &maps, const Pins &pins, std::uint32_t from, std::uint32_t to);

// Moves the totals of a namespace without pods into those of all that are gone, PODRTT_GONE.
Result<void> retire_namespace(Maps &maps, const Pins &pins, const std::string &name_space);

// Move one histogram, or one total, that another layout has pinned. No program may write to
// it any more.
Result<void> move_from_layout(Maps &maps, const Pins &pins, const std::string &layout,
                              const podrtt_histogram_key &from, const podrtt_histogram_key &to,
                              const podrtt_histogram &histogram);
Result<void> move_from_layout(Maps &maps, const Pins &pins, const std::string &layout,
                              const podrtt_total_key &from, const podrtt_total_key &to,
                              const podrtt_histogram &total);

// When the last move ended, for comparison; nothing while samples are being moved. For whoever reads the
// maps without the daemon's lock.
std::optional<std::uint64_t> last_move(const Maps &maps);

// Finishes the move that a crash or an error has interrupted, if there is one. Must be called
// before the maps are read to begin another move.
Result<void> finish_interrupted_move(Maps &maps, const Pins &pins);

// The same in an older layout, whose journal holds the outcome of every move.
Result<void> finish_interrupted_move_of_old(HistogramTable &histograms, Totals &totals, const Pins &pins,
                                            const std::string &layout);

} // namespace podrtt
