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

// A large answer in pieces, which all who ask for it at the time share.
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
        if (auto present = answer_.lock(); present && Answer::Clock::now() - present->made < fresh)
            return present;
        auto made = std::make_shared<const Answer>(make());
        answer_ = made;
        return made;
    }

private:
    static constexpr std::chrono::seconds fresh{1};

    std::mutex mutex_;
    std::weak_ptr<const Answer> answer_; // it lives as long as it is being sent
};

} // namespace podrtt
