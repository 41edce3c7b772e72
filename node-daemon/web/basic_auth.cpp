// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/basic_auth.h"

#include <arpa/inet.h>
#include <gnutls/crypto.h>

#include <algorithm>

namespace podrtt
{
namespace
{

constexpr std::chrono::seconds refused_for{1};
constexpr std::chrono::minutes suspected_for{1};
constexpr std::size_t most_suspects = 16384; // addresses; then those that were wrong first are forgotten

// Whoever has an IPv6 address has the 2⁶⁴ of its network.
std::string network_of(const std::string &peer)
{
    in6_addr address = {};
    if (inet_pton(AF_INET6, peer.c_str(), &address) != 1 || IN6_IS_ADDR_V4MAPPED(&address))
        return peer;
    std::fill(address.s6_addr + 8, address.s6_addr + 16, 0);
    char text[INET6_ADDRSTRLEN] = "";
    return inet_ntop(AF_INET6, &address, text, sizeof(text));
}

} // namespace

BasicAuth::Verdict BasicAuth::may_ask(const std::shared_ptr<const WebConfig> &config,
                                      const std::string &authorization, const std::string &peer,
                                      Clock::time_point now)
{
    if (config->users.empty())
        return Verdict::yes;
    if (authorization.empty()) // as a browser asks first
        return Verdict::no;
    Digest digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, authorization.data(), authorization.size(), digest.data()) != 0)
        return Verdict::no;
    const auto network = network_of(peer);
    bool suspected = false;
    {
        const std::lock_guard lock(mutex_);
        forget(config, now);
        if (known_.contains(digest))
            return Verdict::yes;
        if (const auto wrong = wrong_.find(network); wrong != wrong_.end()) {
            suspected = true;
            if (now - wrong->second < refused_for)
                return Verdict::later;
        }
    }
    const std::unique_lock checking(suspected ? checking_guesses_ : checking_, std::try_to_lock);
    if (!checking)
        return Verdict::later;
    const auto begin = Clock::now();
    const bool right = is_user(*config, authorization);
    const auto took = Clock::now() - begin;
    const std::lock_guard lock(mutex_);
    if (!right)
        wrong_[network] = now + took;
    else if (config == config_)
        known_.insert(digest); // so that a scrape does not pay for bcrypt again
    return right ? Verdict::yes : Verdict::no;
}

void BasicAuth::forget(const std::shared_ptr<const WebConfig> &config, Clock::time_point now)
{
    if (config != config_) { // whose password was right may have none any more
        known_.clear();
        config_ = config;
    }
    std::erase_if(wrong_, [&](const auto &entry) { return now - entry.second >= suspected_for; });
    while (wrong_.size() > most_suspects)
        wrong_.erase(std::ranges::min_element(wrong_, {}, [](const auto &entry) { return entry.second; }));
}

} // namespace podrtt
