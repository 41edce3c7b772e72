// SPDX-License-Identifier: Apache-2.0
//
// What the runtime asks for: the environment and the network configuration on stdin
// (CNI specification, sections 1 and 2).
#pragma once

#include <spdlog/common.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "cni-plugin/cni_error.h"

namespace podrtt::cni
{

using Json = nlohmann::json;

using Environment = std::map<std::string, std::string, std::less<>>;

enum class Command { add, del, check, gc, status, version };

struct Parameters {
    Command command;
    std::string container_id;
    std::string netns; // a path; empty if the runtime gave none
    std::string ifname;
    std::string args;            // CNI_ARGS, as it came
    bool netns_override = false; // CNI_NETNS may be the plugin's own
};

enum class FailurePolicy { open, closed };

struct Config {
    std::string cni_version;
    bool newer = false;      // the version is none that is known
    std::string network;     // "name"
    std::string prev_result; // as it came, to the byte; empty if there is none
    Json valid_attachments;  // "cni.dev/valid-attachments"; null if there is none
    std::vector<std::string> unknown_keys;
    std::filesystem::path pin_path;
    std::chrono::milliseconds timeout{500};
    FailurePolicy failure_policy = FailurePolicy::open;
    spdlog::level::level_enum log_level = spdlog::level::info;
};

// Oldest first. Others are served, too, as if they were the newest: a plugin that refuses a list's version
// makes every sandbox of the node fail, and those that there are can be neither stopped nor removed. The
// result is handed on as it came, and so is in whatever version the runtime speaks.
inline constexpr std::string_view supported_versions[] = {"0.1.0", "0.2.0", "0.3.0", "0.3.1",
                                                          "0.4.0", "1.0.0", "1.1.0"};

CniResult<Parameters> parse_parameters(const Environment &environment);

CniResult<Config> parse_config(const std::string &text, Command command);

// The version that an answer to `text` is written in: its own, or the newest there is.
std::string answer_version(const std::string &text);

} // namespace podrtt::cni
