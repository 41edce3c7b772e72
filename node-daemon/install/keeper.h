// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"
#include "node-daemon/install/plan.h"

namespace podrtt
{

// Keeps the plugin in the chain while others rewrite the list, as Azure's CNS does whenever it
// starts. Never takes it away: an upgrade and a reboot look like an end.
class Keeper
{
public:
    using Clock = std::chrono::steady_clock;

    // Begins to watch the configuration directory, which must exist, and that of plugins.
    static Result<Keeper> start(const InstallOptions &options, std::shared_ptr<spdlog::logger> log);

    // Readable when something in the directory has changed.
    int fd() const { return inotify_.get(); }

    // Does what is missing, if anything has changed; what fails is logged once, and tried again the next
    // time. At most five times a second. Returns whether the plugin is
    // in place.
    bool ensure(Clock::time_point now);

    // When to call ensure() again, if a change is still to be looked at.
    std::optional<Clock::time_point> due() const { return due_; }

private:
    Keeper(InstallOptions options, Fd inotify, std::shared_ptr<spdlog::logger> log)
        : options_(std::move(options)), inotify_(std::move(inotify)), log_(std::move(log))
    {
    }

    InstallOptions options_;
    Fd inotify_;
    std::shared_ptr<spdlog::logger> log_;
    std::string failed_;  // the last failure's message
    bool changed_ = true; // since install() has looked
    bool in_place_ = false;
    Clock::time_point last_;
    std::optional<Clock::time_point> due_;
};

} // namespace podrtt
