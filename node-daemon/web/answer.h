// SPDX-License-Identifier: Apache-2.0
#pragma once

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

// A large answer in pieces, which all who ask for it within a second share.
struct Answer {
    using Clock = std::chrono::steady_clock;

    Clock::time_point made;
    std::string content_type;
    std::vector<std::string> parts;
    std::size_t length = 0;

    Answer(std::string type, std::vector<std::string> pieces);

    // Copies what is at `offset`, up to the end of its part.
    std::size_t copy(std::uint64_t offset, char *to, std::size_t most) const;
};

// The latest answer of a kind: a new one is made once a second at most, however many ask. Thread-safe.
class LatestAnswer
{
public:
    template <typename Make>
    std::shared_ptr<const Answer> get(const Make &make)
    {
        const std::lock_guard lock(mutex_);
        if (!answer_ || !is_fresh(Answer::Clock::now()))
            answer_ = std::make_shared<const Answer>(make());
        return answer_;
    }

    // Gives the memory of what nobody will be given any more.
    void forget_old(Answer::Clock::time_point now)
    {
        const std::lock_guard lock(mutex_);
        if (answer_ && !is_fresh(now))
            answer_.reset();
    }

private:
    static constexpr std::chrono::seconds fresh{1};

    bool is_fresh(Answer::Clock::time_point now) const { return now - answer_->made < fresh; }

    std::mutex mutex_;
    std::shared_ptr<const Answer> answer_;
};

} // namespace podrtt
