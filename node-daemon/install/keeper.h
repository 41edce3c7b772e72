// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <spdlog/logger.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>

#include "bpf/user/fd.h"
#include "node-daemon/counts/plugin_state.h"
#include "node-daemon/install/install.h"
#include "node-daemon/pods/backoff.h"

namespace podrtt
{

// Keeps the plugin in the chain while others rewrite the list, as Azure's CNS does whenever it
// starts. Takes it away only where it would break pods: an upgrade and a reboot look like an end.
class Keeper
{
public:
    using Clock = std::chrono::steady_clock;

    Keeper(InstallOptions options, PluginState &state, std::shared_ptr<spdlog::logger> log)
        : options_(std::move(options)), state_(state), log_(std::move(log))
    {
    }

    // Does what is to be done until it is stopped. Reads and runs what others have put there, which may
    // take its time: not for the thread that serves signals.
    void run(const std::stop_token &stop);

    // Does what is missing, if anything has changed; what fails is logged once, and tried again the next
    // time. At most five times a second.
    void ensure(Clock::time_point now);

    // When to call ensure() again, if a change is still to be looked at.
    std::optional<Clock::time_point> due() const { return due_; }

private:
    void watch();
    void take_messages();
    bool has_changed(Clock::time_point now) const;
    void report(const Result<void> &installed);

    InstallOptions options_;
    PluginState &state_;
    std::shared_ptr<spdlog::logger> log_;
    Fd inotify_;
    bool is_blind_ = false; // it has been said that there is no inotify
    std::string seen_;      // what the files looked like at the last look
    std::string failed_;    // the last failure's message
    Backoff rewrites_{std::chrono::seconds(5)};
    bool changed_ = true; // since install() has looked
    Clock::time_point last_;
    std::optional<Clock::time_point> due_;
};

} // namespace podrtt
