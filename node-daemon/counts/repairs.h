// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace podrtt
{

// What the daemon has set right.
enum class Repair {
    adopted,      // a pod that no plugin had reported
    attached,     // programs that were missing, or not in front
    moved_inside, // a pod of which only one direction was seen at the host veth
    collected,    // a pod that was gone without DEL
    pinned,       // maps and programs whose pins somebody had removed
};
inline constexpr const char *repair_names[] = {"adopted", "attached", "moved_inside", "collected",
                                               "pinned"};

// Counts since the daemon's start. Thread-safe.
class Repairs
{
public:
    void count(Repair repair) { counts_[static_cast<std::size_t>(repair)]++; }
    std::uint64_t of(Repair repair) const { return counts_[static_cast<std::size_t>(repair)]; }

private:
    std::array<std::atomic<std::uint64_t>, std::size(repair_names)> counts_ = {};
};

} // namespace podrtt
