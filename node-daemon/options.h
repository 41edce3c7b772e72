// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <filesystem>

#include "node-daemon/daemon.h"
#include "node-daemon/install/install.h"
#include "node-daemon/views/doctor.h"
#include "node-daemon/views/status.h"
#include "node-daemon/views/stream.h"
#include "node-daemon/views/top.h"
#include "node-daemon/views/watch.h"

namespace podrtt
{

enum class Subcommand { run, top, stream, watch, status, doctor, install, uninstall, mount_bpffs, pause };

struct Options {
    Subcommand subcommand = Subcommand::run;
    std::filesystem::path pin_path = PODRTT_PIN_PATH;
    RunOptions run;
    TopOptions top;
    StreamOptions stream;
    WatchOptions watch;
    StatusOptions status;
    DoctorOptions doctor;
    InstallOptions install; // of install and uninstall
    bool purge = false;     // of uninstall: what was measured is removed, too
};

// Reads the command line. When there is nothing to run (--help, or an error, which is
// printed), returns the exit status instead: 2 for what is wrong.
std::expected<Options, int> parse_options(int argc, const char *const *argv);

} // namespace podrtt
