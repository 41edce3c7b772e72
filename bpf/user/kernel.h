// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The running kernel: what it must be, what it says of itself, and what it lets this process do.
#pragma once

#include <chrono>
#include <string>

namespace podrtt
{

struct Kernel {
    std::string release; // "6.1.0-18-amd64"; empty if the kernel does not say
    std::string machine; // "x86_64"
    bool has_btf;        // it describes its own types

    static Kernel running();
};

// What podrtt needs and the kernel has not, as a sentence; empty if it has all. What cannot be read is
// believed to be new enough.
std::string missing_from(const Kernel &kernel);

// Of this process. Numbers are those of linux/capability.h.
bool has_capability(int capability);

// What podrttd cannot do without, and this process has not, by name; empty if it has all.
std::string missing_capabilities();

// The AppArmor profile that confines this process; empty if none does. `attribute` is where the kernel says
// it.
std::string apparmor_profile(const std::string &attribute = "/proc/self/attr/apparmor/current");

// As `uname -n` says it.
std::string node_name();

// The time between two ticks of the kernel's timer, which is the resolution of its coarse clocks.
std::chrono::nanoseconds jiffy();

} // namespace podrtt
