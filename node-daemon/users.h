// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
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
    // `config` must outlive it.
    explicit Users(const WebConfig &config) : config_(config) {}

    // `authorization` is the value of the header of that name, or empty.
    bool may_ask(const std::string &path, const std::string &authorization);

private:
    using Digest = std::array<std::byte, 32>; // SHA-256

    const WebConfig &config_;
    std::mutex checking_;
    std::mutex knowing_;
    std::set<Digest> known_; // of the headers that were right
};

} // namespace podrtt
