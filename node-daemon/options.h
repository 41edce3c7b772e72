// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datapath.h"
#include "detail.h"
#include "install.h"
#include "peers.h"

namespace podrtt
{

struct RunOptions {
    std::string listen = "127.0.0.1:9435"; // HOST:PORT
    DatapathOptions datapath;
    std::vector<PeerPrefix> peers; // the default ones first
    std::chrono::seconds grace_period{300};
    std::filesystem::path cni_cache = "/var/lib/cni/results"; // libcni's
    bool icmp = false;
    bool install = false; // and keep the plugin installed
    InstallOptions installation;
    Detail detail;
    podrtt_attach attach = PODRTT_ATTACH_AUTO;
    std::filesystem::path web_config; // empty: plain HTTP, for everybody
    std::string log_level = "info";
};

struct TopOptions {
    std::chrono::seconds interval{2};
    bool once = false;
    bool json = false;
};

struct StreamOptions {
    std::string name_space; // only pods of this namespace; empty: of all
    std::string pod;        // only the pod of this name; empty: all
};

struct StatusOptions {
    InstallOptions installation; // where the plugin should be
    bool json = false;
};

struct DoctorOptions {
    InstallOptions installation;
    std::filesystem::path cni_cache = RunOptions().cni_cache;
};

enum class Subcommand { run, top, stream, status, doctor, install, uninstall };

struct Options {
    Subcommand subcommand = Subcommand::run;
    std::filesystem::path pin_path = PODRTT_PIN_PATH;
    RunOptions run;
    TopOptions top;
    StreamOptions stream;
    StatusOptions status;
    DoctorOptions doctor;
    InstallOptions install; // or to be undone
    bool purge = false;     // and forget everything
};

// Reads the command line. When there is nothing to run (--help, or an error, which is
// printed), returns the exit status instead.
std::expected<Options, int> parse_options(int argc, const char *const *argv);

} // namespace podrtt
