// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
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
    using Clock = std::chrono::steady_clock;

    // `authorization` is the value of the header of that name, or empty; `peer` the client's address. A
    // check takes bcrypt's time, so that only two run at a time, and who comes meanwhile is to come later:
    // one of those who have not been wrong lately, and one of those who have, however many they are. Who
    // guesses, from whatever number of addresses, is in the way of others who guess. After a wrong password
    // an address is refused for one second.
    Verdict may_ask(const std::shared_ptr<const WebConfig> &config, const std::string &authorization,
                    const std::string &peer, Clock::time_point now);

private:
    using Digest = std::array<std::byte, 32>; // SHA-256

    void forget(const std::shared_ptr<const WebConfig> &config, Clock::time_point now);

    std::mutex checking_;         // an address that has not been wrong lately
    std::mutex checking_guesses_; // any other
    std::mutex mutex_;            // of what follows
    std::shared_ptr<const WebConfig> config_;
    std::set<Digest> known_; // of the headers that were right, by this configuration
    std::map<std::string, Clock::time_point> wrong_; // when an address was the last time
};

} // namespace podrtt
