// SPDX-License-Identifier: Apache-2.0
#include "unit-tests/cni-plugin/plugin_fuzz.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <sstream>
#include <string_view>

#include "bpf/user/pod.h"
#include "cni-plugin/plugin.h"
#include "cni-plugin/request.h"

namespace podrtt::cni
{
namespace
{

void require(bool holds, const char *invariant)
{
    if (holds)
        return;
    std::fprintf(stderr, "does not hold: %s\n", invariant);
    std::abort();
}

struct Input {
    Environment environment;
    std::string config;
};

Input parse_input(const std::string &text)
{
    Input input;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line) && !line.empty();) {
        std::size_t equals = line.find('=');
        if (equals != std::string::npos)
            input.environment.emplace(line.substr(0, equals), line.substr(equals + 1));
    }
    input.config.assign(std::istreambuf_iterator<char>(stream), {});
    return input;
}

// What cannot be done: the plugin itself answers, with an error that a runtime understands.
void require_error(const Input &input)
{
    std::ostringstream out, log;
    int status = run(input.environment, input.config, out, log);
    auto command = input.environment.find("CNI_COMMAND");
    if (command == input.environment.end() || command->second.empty()) {
        require(status == 0 && out.str().empty(), "without a command nothing is answered");
        return;
    }
    Json error = Json::parse(out.str(), nullptr, false);
    require(status == 1 && error.is_object(), "an error is an object");
    require(error["code"].is_number_unsigned() && error["code"] > 0 && error["msg"].is_string(),
            "an error has a code and a message");
}

template <std::size_t size>
void require_name(const char (&field)[size])
{
    const char *end = std::find(std::begin(field), std::end(field), '\0');
    require(end != std::end(field), "a name ends in its field");
    require(std::all_of(std::begin(field), end,
                        [](unsigned char c) {
                            return c < 0x80 && (std::isalnum(c) ||
                                                std::string_view("-._:").contains(static_cast<char>(c)));
                        }),
            "a name has only characters that names have");
}

} // namespace

void fuzz_plugin(const std::string &text)
{
    const Input input = parse_input(text);
    auto parameters = parse_parameters(input.environment);
    if (!parameters) {
        require_error(input);
        return;
    }
    if (auto pod = make_pod(
            {parameters->args, parameters->container_id, parameters->ifname, parameters->netns, ""}, 0)) {
        require_name(pod->name_space);
        require_name(pod->name);
        require_name(pod->uid);
        require_name(pod->container_id);
    }
    if (parameters->command == Command::version)
        return;
    auto config = parse_config(input.config, parameters->command);
    if (!config) {
        require_error(input);
        return;
    }
    require(config->timeout.count() >= 1 && config->timeout.count() <= 10000, "there is a deadline");
    require(config->pin_path.is_absolute(), "the pin path is absolute");
    if (parameters->command == Command::add) {
        require(Json::accept(config->prev_result), "prevResult goes out as JSON");
        require(input.config.contains(config->prev_result), "prevResult goes out as it came");
    }
}

} // namespace podrtt::cni

#ifdef PODRTT_FUZZ
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    podrtt::cni::fuzz_plugin({reinterpret_cast<const char *>(data), size});
    return 0;
}
#endif
