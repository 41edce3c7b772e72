// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <functional>
#include <memory>
#include <optional>

#include "error.h"
#include "options.h"
#include "pins.h"

namespace podrtt
{

// What SIGHUP asks for: the options anew, or nothing if they are wrong, which the function
// has said then.
using ReadOptions = std::function<std::optional<RunOptions>()>;

// Loads the data path, serves /metrics and reconciles, until SIGTERM or SIGINT; SIGHUP
// puts the peer classes of `read_options` in force. What is pinned and attached stays: pods
// are measured on while no daemon runs.
Result<void> run_daemon(const Pins &pins, const RunOptions &options, const ReadOptions &read_options,
                        const std::shared_ptr<spdlog::logger> &log);

} // namespace podrtt
