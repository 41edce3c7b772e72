// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/plugin.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <memory>
#include <ostream>

#include "bpf/user/attach/attacher.h"
#include "bpf/user/json_text.h"
#include "bpf/user/pins.h"
#include "bpf/user/pod.h"
#include "bpf/user/version.h"
#include "bpf/user/veth.h"
#include "cni-plugin/deadline.h"

namespace podrtt::cni
{
namespace
{

// As the daemon's --attach says.
Result<podrtt_attach> wanted_form(const Settings &settings)
{
    auto wanted = settings.lookup(PODRTT_SETTING_ATTACH);
    if (!wanted)
        return std::unexpected(wanted.error());
    return static_cast<podrtt_attach>(wanted->value_or(PODRTT_ATTACH_AUTO));
}

Result<void> add(const Parameters &parameters, const Config &config)
{
    auto pod = make_pod(
        {parameters.args, parameters.container_id, parameters.ifname, parameters.netns, config.network},
        realtime_ns());
    if (!pod)
        return std::unexpected(pod.error());
    const Pins pins(config.pin_path);
    auto pods = pins.pods();
    if (!pods)
        return std::unexpected(pods.error());
    auto settings = pins.settings();
    if (!settings)
        return std::unexpected(settings.error());
    auto form = wanted_form(*settings);
    if (!form)
        return std::unexpected(form.error());
    auto netns = Netns::open(parameters.netns);
    if (!netns)
        return std::unexpected(netns.error());
    auto veth = find_host_veth(*netns, parameters.ifname);
    if (!veth)
        return std::unexpected(veth.error());
    set_interface(*pod, *veth);
    if (*form == PODRTT_ATTACH_POD) {
        if (!pod->netns[0])
            return failure("attach inside", parameters.netns, "the path is too long to be kept");
        pod->attach = PODRTT_ATTACH_POD;
    }

    // The record first: if nothing else gets done, the daemon attaches the programs.
    auto id = record_pod(*pods, *settings, *pod);
    if (!id)
        return std::unexpected(id.error());
    auto attacher = attach::Attacher::open(pins);
    if (!attacher)
        return std::unexpected(attacher.error());
    if (*form == PODRTT_ATTACH_POD)
        return attacher->attach_inside(*id, *pod);
    auto view = attacher->observe(veth->ifindex);
    if (!view)
        return std::unexpected(view.error());
    auto attached = attacher->attach(*view, *id, *form);
    return attached ? Result<void>() : std::unexpected(attached.error());
}

// Beyond the deadline of the work, and like that done by a child, so that nothing can hang or end the
// plugin.
constexpr std::chrono::milliseconds count_deadline{500};

// Where there is a daemon that shows it.
void count_unmeasured(const Config &config, const Error &error)
{
    const auto reason = error.code == EOPNOTSUPP  ? PODRTT_DROP_NO_VETH
                        : error.code == ETIMEDOUT ? PODRTT_DROP_ADD_LATE
                                                  : PODRTT_DROP_ADD_FAILED;
    [[maybe_unused]] auto counted =
        within(count_deadline, [&] { return Pins(config.pin_path).count(reason); });
}

// Calls `each` for every pod with an interface; a host without podrtt's pins has none.
Result<void>
for_each_pod(const Config &config,
             const std::function<Result<void>(Pods &, std::uint32_t, const podrtt_pod &)> &each)
{
    auto pods = Pins(config.pin_path).pods();
    if (!pods)
        return pods.error().code == ENOENT ? Result<void>() : std::unexpected(pods.error());
    auto entries = pods->entries();
    if (!entries)
        return std::unexpected(entries.error());
    for (const auto &[id, pod] : *entries)
        if (has_interface(pod))
            if (auto done = each(*pods, id, pod); !done)
                return done;
    return {};
}

Result<void> del(const Parameters &parameters, const Config &config)
{
    return for_each_pod(config, [&](Pods &pods, std::uint32_t id, const podrtt_pod &pod) {
        return is_same_sandbox(pod, parameters.container_id, parameters.ifname)
                   ? mark_deleted(pods, id, pod)
                   : Result<void>();
    });
}

bool is_listed(const podrtt_pod &pod, const Json &attachments)
{
    return std::ranges::any_of(attachments, [&pod](const Json &attachment) {
        return attachment["containerID"] == pod.container_id && attachment["ifname"] == pod.ifname;
    });
}

// Pods whose interface is gone, and those of this network that the runtime does not list.
Result<void> gc(const Config &config)
{
    auto attacher = attach::Attacher::open(Pins(config.pin_path));
    return for_each_pod(config, [&](Pods &pods, std::uint32_t id, const podrtt_pod &pod) -> Result<void> {
        if (config.valid_attachments.is_array() && config.network == pod.network &&
            !is_listed(pod, config.valid_attachments))
            return mark_deleted(pods, id, pod);
        if (!attacher)
            return std::unexpected(attacher.error());
        auto view = attacher->observe(static_cast<int>(pod.host_ifindex));
        if (!view)
            return std::unexpected(view.error());
        return attacher->is_same_interface(*view, id, pod) ? Result<void>() : mark_deleted(pods, id, pod);
    });
}

Result<void> check(const Parameters &parameters, const Config &config)
{
    bool found = false;
    auto visited = for_each_pod(config, [&](Pods &, std::uint32_t, const podrtt_pod &pod) -> Result<void> {
        if (!is_same_sandbox(pod, parameters.container_id, parameters.ifname) || pod.deleted)
            return {};
        found = true;
        auto attacher = attach::Attacher::open(Pins(config.pin_path));
        auto attached = attacher ? attacher->is_attached(pod) : std::unexpected(attacher.error());
        if (!attached)
            return std::unexpected(attached.error());
        if (!*attached)
            return failure("check", pod.host_ifname, "podrtt's programs are not attached");
        return {};
    });
    if (visited && !found)
        return failure("check", parameters.container_id, "podrtt does not know this pod");
    return visited;
}

Result<void> act(const Parameters &parameters, const Config &config)
{
    switch (parameters.command) {
    case Command::add:
        return add(parameters, config);
    case Command::del:
        return del(parameters, config);
    case Command::check:
        return check(parameters, config);
    case Command::gc:
        return gc(config);
    case Command::status: // The plugin can always be called; an error would make the node NotReady.
    case Command::version:
        return {};
    }
    return {};
}

void print_version(const std::string &config_text, std::ostream &out)
{
    Json answer = {{"cniVersion", answer_version(config_text)}, {"supportedVersions", supported_versions}};
    out << answer.dump() << '\n';
}

// For people who call the plugin by hand, as those made with libcni's skeleton do.
void print_about(std::ostream &log)
{
    log << "podrtt " << version << ": a chained CNI plugin, called by container runtimes\n"
        << "CNI protocol versions supported: ";
    for (const char *separator = ""; auto supported : supported_versions) {
        log << separator << supported;
        separator = ", ";
    }
    log << '\n';
}

int print_error(const CniError &error, const std::string &config_text, std::ostream &out)
{
    Json answer = {{"cniVersion", answer_version(config_text)},
                   {"code", static_cast<unsigned>(error.code)},
                   {"msg", error.message}};
    if (!error.details.empty())
        answer["details"] = error.details;
    out << to_text(answer) << '\n';
    return 1;
}

} // namespace

int run(const Environment &environment, const std::string &config_text, std::ostream &out,
        std::ostream &log)
{
    if (!environment.contains("CNI_COMMAND") || environment.at("CNI_COMMAND").empty()) {
        print_about(log);
        return 0;
    }
    auto parameters = parse_parameters(environment);
    if (!parameters)
        return print_error(parameters.error(), config_text, out);
    if (parameters->command == Command::version) {
        print_version(config_text, out);
        return 0;
    }
    auto config = parse_config(config_text, parameters->command);
    if (!config)
        return print_error(config.error(), config_text, out);

    if (parameters->command == Command::add && !parameters->netns_override &&
        Netns::is_current(parameters->netns))
        return print_error({Code::invalid_netns, "CNI_NETNS is the plugin's own network namespace",
                            "CNI_NETNS_OVERRIDE=1 allows it"},
                           config_text, out);

    spdlog::logger logger("podrtt", std::make_shared<spdlog::sinks::ostream_sink_st>(log, true));
    logger.set_pattern("podrtt: %l: %v");
    logger.set_level(config->log_level);

    if (!config->unknown_keys.empty() && parameters->command == Command::add)
        logger.warn("unknown keys in the configuration: {}", Json(config->unknown_keys).dump());

    if (config->newer && parameters->command == Command::add)
        logger.warn("CNI {} is newer than podrtt {}, which goes on as with {}", config->cni_version,
                    version, *std::rbegin(supported_versions));

    auto done = within(config->timeout, [&] { return act(*parameters, *config); });
    if (!done) {
        if (parameters->command == Command::add)
            count_unmeasured(*config, done.error());
        bool fatal = config->failure_policy == FailurePolicy::closed &&
                     (parameters->command == Command::add || parameters->command == Command::check);
        if (fatal)
            return print_error({Code::not_instrumented, "the pod is not measured", done.error().reason},
                               config_text, out);
        logger.warn("{}: pod not measured: {}", parameters->container_id, done.error().reason);
    } else {
        logger.debug("{}: done", parameters->container_id);
    }
    if (parameters->command == Command::add)
        out << config->prev_result << '\n';
    return 0;
}

} // namespace podrtt::cni
