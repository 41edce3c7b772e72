// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/log.h"

#include <spdlog/pattern_formatter.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "bpf/user/json_text.h"

namespace podrtt
{
namespace
{

// The message as a string of JSON.
class EscapedMessage : public spdlog::custom_flag_formatter
{
public:
    void format(const spdlog::details::log_msg &message, const std::tm & /*time*/,
                spdlog::memory_buf_t &to) override
    {
        const auto text =
            to_text(nlohmann::json(std::string_view(message.payload.data(), message.payload.size())));
        to.append(text.data(), text.data() + text.size());
    }

    std::unique_ptr<custom_flag_formatter> clone() const override
    {
        return spdlog::details::make_unique<EscapedMessage>();
    }
};

} // namespace

void set_log(spdlog::logger &log, const std::string &level, bool json)
{
    if (json) {
        auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
        formatter->add_flag<EscapedMessage>('*').set_pattern(
            R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","message":%*})");
        log.set_formatter(std::move(formatter));
    } else {
        log.set_formatter(std::make_unique<spdlog::pattern_formatter>());
    }
    log.set_level(spdlog::level::from_str(level));
}

} // namespace podrtt
