// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/datapath.h"
#include "bpf/user/error.h"
#include "bpf/user/pins.h"
#include "node-daemon/counts/peer_classes.h"
#include "node-daemon/export/series_options.h"
#include "node-daemon/install/install.h"
#include "node-daemon/web/listen_address.h"

namespace podrtt
{

struct RunOptions {
    std::vector<ListenAddress> listen;
    DatapathOptions datapath;
    std::vector<PeerPrefix> peers; // the default ones first
    bool node_peer = true;         // the node's addresses are a class of their own
    std::chrono::seconds grace_period{300};
    std::chrono::seconds namespace_grace_period{3600};
    std::filesystem::path cni_cache = "/var/lib/cni/results"; // libcni's
    bool icmp = false;
    bool dns = true;
    bool install = false; // and keep the plugin installed
    InstallOptions installation;
    SeriesOptions series;
    podrtt_attach attach = PODRTT_ATTACH_AUTO;
    std::filesystem::path web_config; // empty: plain HTTP, for everybody
    std::string log_level = "info";
    bool json_log = false;
};

// What SIGHUP asks for: the options, read again; nothing if they are wrong, which the function has reported
// then.
using ReadOptions = std::function<std::optional<RunOptions>()>;

// Loads the data path, serves /metrics and reconciles, until SIGTERM or SIGINT; SIGHUP
// puts the options of `read_options` in force, but for those that take a restart, which it names. What is
// pinned and attached stays: pods are still measured while no daemon runs.
Result<void> run_daemon(const Pins &pins, const RunOptions &options, const ReadOptions &read_options,
                        const std::shared_ptr<spdlog::logger> &log);

} // namespace podrtt
