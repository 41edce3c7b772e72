// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <memory>

#include "error.h"
#include "options.h"
#include "pins.h"

namespace podrtt
{

// Loads the data path, serves /metrics and reconciles, until SIGTERM or SIGINT. What
// is pinned and attached stays: pods are measured on while no daemon runs.
Result<void> run_daemon(const Pins &pins, const RunOptions &options,
                        const std::shared_ptr<spdlog::logger> &log);

} // namespace podrtt
