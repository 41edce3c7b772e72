// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "node-daemon/web/web_config.h"

namespace podrtt
{

// Checks users and passwords. Thread-safe.
class BasicAuth
{
public:
    enum class Verdict { yes, no, later };

    // `config` must outlive it.
    explicit BasicAuth(const WebConfig &config) : config_(config) {}

    // `authorization` is the value of the header of that name, or empty; `peer` the client's address.
    // After a wrong password an address is refused for one second, and so is a client that comes while
    // another's password is being checked: that takes bcrypt's time.
    Verdict may_ask(const std::string &path, const std::string &authorization, const std::string &peer);

private:
    using Clock = std::chrono::steady_clock;
    using Digest = std::array<std::byte, 32>; // SHA-256

    const WebConfig &config_;
    std::mutex checking_;
    std::mutex mutex_;                               // of what follows
    std::set<Digest> known_;                         // of the headers that were right
    std::map<std::string, Clock::time_point> wrong_; // when a peer was, of the last second
};

} // namespace podrtt
