// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace podrtt
{

// A large answer in pieces, which all share who ask for it while it is fresh.
struct Answer {
    using Clock = std::chrono::steady_clock;

    Clock::time_point made;
    std::string content_type;
    std::vector<std::string> parts;
    std::size_t length = 0;

    Answer(std::string type, std::vector<std::string> pieces);

    // Worth to be shared, and to be counted.
    bool is_large() const { return length > 65536; }

    // Copies what is at `offset`, up to the end of its part.
    std::size_t copy(std::uint64_t offset, char *to, std::size_t most) const;
};

// The latest answer of a kind. A large one is made in a tenth of a CPU's time at most, however many ask:
// once a second if it takes 0.1 s. A small one is made for each who asks, so that it is new. Thread-safe.
class LatestAnswer
{
public:
    template <typename Make>
    std::shared_ptr<const Answer> get(const Make &make)
    {
        const std::lock_guard lock(mutex_);
        if (!answer_ || !is_fresh(Answer::Clock::now())) {
            const auto begin = thread_time();
            answer_ = std::make_shared<const Answer>(make());
            const auto cost = thread_time() - begin;
            fresh_ = answer_->is_large() ? std::min<std::chrono::nanoseconds>(longest_fresh, cost * share)
                                         : std::chrono::nanoseconds(0);
        }
        return answer_;
    }

    // Gives the memory of what nobody will be given any more; false if somebody will.
    bool forget_old(Answer::Clock::time_point now)
    {
        const std::lock_guard lock(mutex_);
        if (answer_ && is_fresh(now))
            return false;
        answer_.reset();
        return true;
    }

private:
    static constexpr std::chrono::seconds longest_fresh{1};
    static constexpr int share = 10;

    static std::chrono::nanoseconds thread_time(); // of a CPU

    bool is_fresh(Answer::Clock::time_point now) const { return now - answer_->made < fresh_; }

    std::mutex mutex_;
    std::chrono::nanoseconds fresh_{};
    std::shared_ptr<const Answer> answer_;
};

} // namespace podrtt
