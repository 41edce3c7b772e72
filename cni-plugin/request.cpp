// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/request.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "bpf/podrtt.h"
#include "bpf/user/cni.h"
#include "bpf/user/json_text.h"

namespace podrtt::cni
{
namespace
{

struct Verb {
    std::string_view name;
    Command command;
    std::string_view since; // CNI version
    bool needs_container;
    bool needs_netns;
    bool needs_path;
};

constexpr Verb verbs[] = {
    {"ADD", Command::add, "0.1.0", true, true, true},
    {"DEL", Command::del, "0.1.0", true, false, true},
    {"CHECK", Command::check, "0.4.0", true, true, true},
    {"GC", Command::gc, "1.1.0", false, false, true},
    {"STATUS", Command::status, "1.1.0", false, false, true},
    {"VERSION", Command::version, "0.1.0", false, false, false},
};

std::string get(const Environment &environment, std::string_view name)
{
    auto variable = environment.find(name);
    return variable == environment.end() ? "" : variable->second;
}

// As libcni's skeleton reads it.
bool is_true(std::string text)
{
    std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::toupper(c); });
    return text == "TRUE" || text == "1";
}

bool is_ifname(const std::string &text)
{
    return text.size() < PODRTT_IFNAME_SIZE && text != "." && text != ".." &&
           text.find_first_of("/: \t\n\v\f\r") == std::string::npos;
}

// What is not known ranks above all that is.
std::ptrdiff_t version_rank(std::string_view version)
{
    return std::ranges::find(supported_versions, version) - std::begin(supported_versions);
}

std::unexpected<CniError> bad_value(std::string_view key, std::string_view expected)
{
    return cni_failure(Code::invalid_config, R"(invalid value of ")" + std::string(key) + R"(")",
                       "expected " + std::string(expected));
}

// What the specification (section 1), libcni and runtimes put into a plugin's configuration.
constexpr std::string_view standard_keys[] = {
    "cniVersion", "cniVersions",  "name", "type",          "prevResult",
    "args",       "capabilities", "dns",  "runtimeConfig", "ipMasq",
};
constexpr std::string_view own_keys[] = {"pinPath", "timeoutMs", "failurePolicy", "logLevel"};

std::vector<std::string> unknown_keys(const Json &json)
{
    std::vector<std::string> unknown;
    for (const auto &[key, value] : json.items())
        if (std::ranges::find(standard_keys, key) == std::end(standard_keys) &&
            std::ranges::find(own_keys, key) == std::end(own_keys) && !key.starts_with("cni.dev/"))
            unknown.push_back(key);
    return unknown;
}

// prevResult is not looked at but handed on, and may be large: here it is null, and its text beside it.
struct ConfigText {
    Json json; // discarded if it is no JSON
    std::string prev_result;
};

ConfigText parse_config_text(std::string text)
{
    const auto found = find_objects(text, "prevResult");
    if (!found.complete || found.in_list || found.spans.empty())
        return {parse_json(text), ""};
    const JsonSpan &span = found.spans.front();
    const std::string prev_result = span.of(text);
    text.replace(span.begin, prev_result.size(), "null");
    return {parse_json(text), prev_result};
}

// Specification, section 2, "GC".
bool is_attachment_list(const Json &json)
{
    return json.is_array() && std::ranges::all_of(json, [](const Json &entry) {
               return entry.is_object() && entry.contains("containerID") &&
                      entry["containerID"].is_string() && entry.contains("ifname") &&
                      entry["ifname"].is_string();
           });
}

// podrtt's own keys.
CniResult<void> parse_own_keys(const Json &json, Config &config)
{
    config.pin_path = PODRTT_PIN_PATH;
    if (auto value = json.find("pinPath"); value != json.end()) {
        if (!value->is_string() || !value->get<std::filesystem::path>().is_absolute())
            return bad_value("pinPath", "an absolute path");
        config.pin_path = value->get<std::filesystem::path>();
    }
    if (auto value = json.find("timeoutMs"); value != json.end()) {
        if (!value->is_number_unsigned() || value->get<std::uint64_t>() < 1 ||
            value->get<std::uint64_t>() > 10000)
            return bad_value("timeoutMs", "a number of milliseconds from 1 to 10000");
        config.timeout = std::chrono::milliseconds(value->get<std::int64_t>());
    }
    if (auto value = json.find("failurePolicy"); value != json.end()) {
        if (*value != "open" && *value != "closed")
            return bad_value("failurePolicy", "\"open\" or \"closed\"");
        config.failure_policy = *value == "closed" ? FailurePolicy::closed : FailurePolicy::open;
    }
    if (auto value = json.find("logLevel"); value != json.end()) {
        static const std::map<std::string, spdlog::level::level_enum> levels = {
            {"debug", spdlog::level::debug},
            {"info", spdlog::level::info},
            {"warning", spdlog::level::warn},
            {"error", spdlog::level::err},
        };
        auto level = value->is_string() ? levels.find(value->get<std::string>()) : levels.end();
        if (level == levels.end())
            return bad_value("logLevel", R"("debug", "info", "warning" or "error")");
        config.log_level = level->second;
    }
    return {};
}

} // namespace

CniResult<Parameters> parse_parameters(const Environment &environment)
{
    std::string command = get(environment, "CNI_COMMAND");
    auto verb = std::ranges::find(verbs, command, &Verb::name);
    if (verb == std::end(verbs))
        return cni_failure(Code::invalid_environment, "unknown CNI_COMMAND: " + command);

    Parameters parameters = {verb->command,
                             get(environment, "CNI_CONTAINERID"),
                             get(environment, "CNI_NETNS"),
                             get(environment, "CNI_IFNAME"),
                             get(environment, "CNI_ARGS"),
                             is_true(get(environment, "CNI_NETNS_OVERRIDE"))};
    std::string missing;
    auto require = [&missing, &environment](bool needed, const char *name) {
        if (needed && get(environment, name).empty())
            missing += missing.empty() ? name : std::string(",") + name;
    };
    require(verb->needs_container, "CNI_CONTAINERID");
    require(verb->needs_netns, "CNI_NETNS");
    require(verb->needs_container, "CNI_IFNAME");
    require(verb->needs_path, "CNI_PATH");
    if (!missing.empty())
        return cni_failure(Code::invalid_environment, "required env variables [" + missing + "] missing");

    if (verb->needs_container && !is_cni_identifier(parameters.container_id))
        return cni_failure(Code::invalid_environment, "invalid characters in CNI_CONTAINERID");
    if (verb->needs_container && !is_ifname(parameters.ifname))
        return cni_failure(Code::invalid_environment, "CNI_IFNAME is no interface name");
    return parameters;
}

CniResult<Config> parse_config(const std::string &text, Command command)
{
    const auto [json, prev_result] = parse_config_text(text);
    if (!json.is_object())
        return cni_failure(Code::decoding_failure, "the network configuration on stdin is no JSON object");

    auto version = read_cni_version(json.value("cniVersion", Json("")));
    if (!version)
        return cni_failure(Code::incompatible_version, "incompatible CNI versions",
                           "config is " + json["cniVersion"].dump() + ", which is no version");
    Config config;
    config.cni_version = *version;
    config.newer = version_rank(*version) == std::ssize(supported_versions);
    auto verb = std::ranges::find(verbs, command, &Verb::command);
    if (version_rank(config.cni_version) < version_rank(verb->since))
        return cni_failure(Code::incompatible_version, "config version " + config.cni_version +
                                                           " does not allow " + std::string(verb->name));

    auto name = json.find("name");
    if (name == json.end() || !name->is_string() || !is_cni_identifier(name->get<std::string>()))
        return cni_failure(Code::invalid_config, "missing or invalid network name");
    config.network = name->get<std::string>();
    config.unknown_keys = unknown_keys(json);
    // DEL cleans up after an ADD that a bad key has failed: an error would leak the pod's
    // address, which the plugins before free only after podrtt.
    if (auto own = parse_own_keys(json, config); !own && command != Command::del)
        return std::unexpected(own.error());

    config.prev_result = prev_result;
    if (auto valid = json.find("cni.dev/valid-attachments"); valid != json.end()) {
        if (!is_attachment_list(*valid))
            return bad_value("cni.dev/valid-attachments", "a list of containerID and ifname");
        config.valid_attachments = *valid;
    }
    bool needs_result = command == Command::add || command == Command::check;
    if (needs_result && config.prev_result.empty())
        return cni_failure(Code::invalid_config, "prevResult is missing",
                           "podrtt must come after the plugin that creates the interface");
    return config;
}

std::string answer_version(const std::string &text)
{
    const Json json = parse_config_text(text).json;
    const auto version = json.is_object() && json.contains("cniVersion")
                             ? read_cni_version(json["cniVersion"])
                             : std::nullopt;
    return version.value_or(std::string(*std::rbegin(supported_versions)));
}

} // namespace podrtt::cni
