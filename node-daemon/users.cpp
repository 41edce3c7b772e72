// SPDX-License-Identifier: Apache-2.0
#include "users.h"

#include <gnutls/crypto.h>

#include <algorithm>

namespace podrtt
{

Users::Verdict Users::may_ask(const std::string &path, const std::string &authorization,
                              const std::string &peer)
{
    if (config_.users.empty() || std::ranges::count(config_.open_paths, path))
        return Verdict::yes;
    if (authorization.empty()) // as a browser asks first
        return Verdict::no;
    Digest digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, authorization.data(), authorization.size(), digest.data()) != 0)
        return Verdict::no;
    // One at a time: bcrypt is slow by design. What was right once is known again by its hash.
    const std::lock_guard lock(mutex_);
    if (known_.contains(digest))
        return Verdict::yes;
    const auto now = Clock::now();
    std::erase_if(wrong_, [&](const auto &entry) { return now - entry.second > std::chrono::seconds(1); });
    if (wrong_.contains(peer))
        return Verdict::later;
    if (!is_user(config_, authorization)) {
        wrong_[peer] = Clock::now();
        return Verdict::no;
    }
    known_.insert(digest);
    return Verdict::yes;
}

} // namespace podrtt
