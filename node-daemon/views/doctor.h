// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <iosfwd>

#include "bpf/user/error.h"
#include "bpf/user/pins.h"
#include "node-daemon/install/install.h"

namespace podrtt
{

struct DoctorOptions {
    InstallOptions installation;
    std::filesystem::path cni_cache = "/var/lib/cni/results";
    bool json = false; // a list of findings, each with level, what and advice
};

// Looks at everything on the node that podrtt needs or that is known to be in its way, tries what can be
// tried, and prints a line for each, with what to do about it. Changes nothing. An error if something is
// wrong.
Result<void> doctor(const Pins &pins, const DoctorOptions &options, std::ostream &out);

} // namespace podrtt
