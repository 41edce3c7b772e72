// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>

#include "web_config.h"

namespace podrtt
{

// Decides who may ask. Thread-safe.
class Users
{
public:
    enum class Verdict { yes, no, later };

    // `config` must outlive it.
    explicit Users(const WebConfig &config) : config_(config) {}

    // `authorization` is the value of the header of that name, or empty; `peer` the address of who asks.
    // Whoever was wrong is told to come later for a second, and so is who comes while another is being
    // looked at: that takes bcrypt's time.
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
