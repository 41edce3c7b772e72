// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/basic_auth.h"

#include <gnutls/crypto.h>

#include <algorithm>

namespace podrtt
{

BasicAuth::Verdict BasicAuth::may_ask(const std::string &path, const std::string &authorization,
                                      const std::string &peer)
{
    if (config_.users.empty() || std::ranges::count(config_.open_paths, path))
        return Verdict::yes;
    if (authorization.empty()) // as a browser asks first
        return Verdict::no;
    Digest digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, authorization.data(), authorization.size(), digest.data()) != 0)
        return Verdict::no;
    {
        const std::lock_guard lock(mutex_);
        if (known_.contains(digest))
            return Verdict::yes;
        const auto now = Clock::now();
        std::erase_if(wrong_,
                      [&](const auto &entry) { return now - entry.second > std::chrono::seconds(1); });
        if (wrong_.contains(peer))
            return Verdict::later;
    }
    const std::unique_lock checking(checking_, std::try_to_lock);
    if (!checking)
        return Verdict::later;
    const bool right = is_user(config_, authorization);
    const std::lock_guard lock(mutex_);
    if (right)
        known_.insert(digest); // so that a scrape does not pay for bcrypt again
    else
        wrong_[peer] = Clock::now();
    return right ? Verdict::yes : Verdict::no;
}

} // namespace podrtt
