// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/answer.h"

#include <algorithm>
#include <ctime>

namespace podrtt
{

Answer::Answer(std::string type, std::vector<std::string> pieces)
    : made(Clock::now()), content_type(std::move(type)), parts(std::move(pieces))
{
    for (const auto &part : parts)
        length += part.size();
}

std::size_t Answer::copy(std::uint64_t offset, char *to, std::size_t most) const
{
    for (const auto &part : parts) {
        if (offset < part.size()) {
            const std::size_t size = std::min<std::size_t>(most, part.size() - offset);
            part.copy(to, size, offset);
            return size;
        }
        offset -= part.size();
    }
    return 0;
}

std::chrono::nanoseconds LatestAnswer::thread_time()
{
    timespec now = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

} // namespace podrtt
