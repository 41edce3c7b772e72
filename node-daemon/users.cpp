// SPDX-License-Identifier: Apache-2.0
#include "users.h"

#include <gnutls/crypto.h>

#include <algorithm>

namespace podrtt
{

bool Users::may_ask(const std::string &path, const std::string &authorization)
{
    if (config_.users.empty() || std::ranges::count(config_.open_paths, path))
        return true;
    // bcrypt is slow by design: what was right once is known again by its hash.
    Digest digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA256, authorization.data(), authorization.size(), digest.data()) != 0)
        return false;
    {
        const std::lock_guard lock(knowing_);
        if (known_.contains(digest))
            return true;
    }
    // One at a time, so that wrong passwords do not take all threads.
    const std::unique_lock checking(checking_, std::try_to_lock);
    if (!checking || !is_user(config_, authorization))
        return false;
    const std::lock_guard lock(knowing_);
    known_.insert(digest);
    return true;
}

} // namespace podrtt
