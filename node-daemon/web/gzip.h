// SPDX-License-Identifier: Apache-2.0
//
// Answers in a fifteenth of their size, for who asks for it (RFC 9110, 8.4.1.3).
#pragma once

#include <memory>
#include <mutex>
#include <string_view>

#include "node-daemon/web/answer.h"

namespace podrtt
{

// Whether a client that sends this Accept-Encoding header takes gzip.
bool accepts_gzip(std::string_view accept_encoding);

Answer gzip(const Answer &answer);

// The compressed form of the answer that was asked for last, made once. Thread-safe.
class LatestGzip
{
public:
    std::shared_ptr<const Answer> get(const std::shared_ptr<const Answer> &answer)
    {
        const std::lock_guard lock(mutex_);
        if (of_ != answer) {
            compressed_ = std::make_shared<const Answer>(gzip(*answer));
            of_ = answer;
        }
        return compressed_;
    }

    // Gives the memory of what nobody will be given any more.
    void forget()
    {
        const std::lock_guard lock(mutex_);
        of_.reset();
        compressed_.reset();
    }

private:
    std::mutex mutex_;
    std::shared_ptr<const Answer> of_;
    std::shared_ptr<const Answer> compressed_;
};

} // namespace podrtt
