// SPDX-License-Identifier: Apache-2.0
#include "plugin.h"

#include <net/if.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/ostream_sink.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <memory>
#include <ostream>

#include "attachment.h"
#include "deadline.h"
#include "identity.h"
#include "pins.h"
#include "veth.h"

namespace podrtt::cni
{
namespace
{

std::uint64_t now_ns()
{
    return static_cast<std::uint64_t>(
        std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count());
}

template <std::size_t size>
void copy_name(char (&field)[size], const std::string &name)
{
    name.copy(field, size - 1);
}

// As the daemon was told.
Result<podrtt_attach> wanted_attachment(const Pins &pins)
{
    auto settings = pins.settings();
    if (!settings)
        return std::unexpected(settings.error());
    auto wanted = settings->lookup(PODRTT_SETTING_ATTACH);
    if (!wanted)
        return std::unexpected(wanted.error());
    return static_cast<podrtt_attach>(wanted->value_or(PODRTT_ATTACH_AUTO));
}

Result<void> add(const Parameters &parameters, const Config &config)
{
    auto pod = parse_identity(parameters.args, parameters.container_id, parameters.ifname);
    if (!pod)
        return std::unexpected(pod.error());
    const Pins pins(config.pin_path);
    auto pods = pins.pods();
    if (!pods)
        return std::unexpected(pods.error());
    auto netns = Netns::open(parameters.netns);
    if (!netns)
        return std::unexpected(netns.error());
    auto veth = find_host_veth(*netns, parameters.ifname);
    if (!veth)
        return std::unexpected(veth.error());

    // Identity first: if nothing else gets done, the daemon attaches the programs.
    pod->created = now_ns();
    copy_name(pod->host_ifname, veth->name);
    pod->host_ifindex = static_cast<std::uint32_t>(veth->ifindex);
    if (parameters.netns.size() < sizeof(pod->netns))
        copy_name(pod->netns, parameters.netns);
    if (config.network.size() < sizeof(pod->network))
        copy_name(pod->network, config.network);
    auto wanted = wanted_attachment(pins);
    if (!wanted)
        return std::unexpected(wanted.error());
    if (*wanted == PODRTT_ATTACH_POD) {
        if (!pod->netns[0])
            return failure("attach inside", parameters.netns, "the path is too long to be kept");
        auto id = add_in_pod(*pods, *pod);
        if (!id)
            return std::unexpected(id.error());
        return attach_in_pod(pins, *id, *pod);
    }
    if (auto written = pods->update(static_cast<std::uint32_t>(veth->ifindex), *pod); !written)
        return written;

    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected(netlink.error());
    auto attached = attach(*netlink, pins, veth->ifindex, *wanted);
    return attached ? Result<void>() : std::unexpected(attached.error());
}

// What fails is counted, where there is a daemon that shows it.
Result<void> instrument(const Parameters &parameters, const Config &config)
{
    auto added = add(parameters, config);
    if (!added) {
        auto reason = added.error().code == EOPNOTSUPP ? PODRTT_DROP_NO_VETH : PODRTT_DROP_ADD_FAILED;
        [[maybe_unused]] auto counted = Pins(config.pin_path).count(reason);
    }
    return added;
}

using Pods = Map<std::uint32_t, podrtt_pod>;

Result<void> mark_deleted(Pods &pods, std::uint32_t id, podrtt_pod pod)
{
    if (pod.deleted)
        return {};
    pod.deleted = now_ns();
    // Never a new entry: the daemon may have collected this one meanwhile.
    auto written = pods.update(id, pod, BPF_EXIST);
    if (!written && written.error().code != ENOENT)
        return written;
    return {};
}

// Calls `each` for every pod known; a host without podrtt's pins knows none.
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
        if (auto done = each(*pods, id, pod); !done)
            return done;
    return {};
}

bool is_attachment(const podrtt_pod &pod, const Parameters &parameters)
{
    return pod.container_id == parameters.container_id && pod.ifname == parameters.ifname;
}

// By container id and interface, never by a name: the pod of that name may be the next one.
Result<void> forget(const Parameters &parameters, const Config &config)
{
    return for_each_pod(config, [&](Pods &pods, std::uint32_t id, const podrtt_pod &pod) {
        return is_attachment(pod, parameters) ? mark_deleted(pods, id, pod) : Result<void>();
    });
}

bool is_listed(const podrtt_pod &pod, const Json &attachments)
{
    return std::ranges::any_of(attachments, [&pod](const Json &attachment) {
        return attachment["containerID"] == pod.container_id && attachment["ifname"] == pod.ifname;
    });
}

// Pods whose interface is gone, and those of this network that the runtime does not list.
Result<void> collect_garbage(const Config &config)
{
    return for_each_pod(config, [&config](Pods &pods, std::uint32_t id, const podrtt_pod &pod) {
        char name[IF_NAMESIZE];
        bool listed = !config.valid_attachments.is_array() || config.network != pod.network ||
                      is_listed(pod, config.valid_attachments);
        return listed && if_indextoname(pod.host_ifindex, name) ? Result<void>()
                                                                : mark_deleted(pods, id, pod);
    });
}

Result<void> check(const Parameters &parameters, const Config &config)
{
    bool found = false;
    auto visited =
        for_each_pod(config, [&](Pods &, std::uint32_t id, const podrtt_pod &pod) -> Result<void> {
            if (!is_attachment(pod, parameters) || pod.deleted)
                return {};
            found = true;
            auto attached = is_attached(id, pod);
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
        return instrument(parameters, config);
    case Command::del:
        return forget(parameters, config);
    case Command::check:
        return check(parameters, config);
    case Command::gc:
        return collect_garbage(config);
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
    log << "podrtt " PODRTT_VERSION ": a chained CNI plugin, called by container runtimes\n"
           "CNI protocol versions supported: ";
    for (const char *separator = ""; auto version : supported_versions) {
        log << separator << version;
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
    // What cannot be shown as UTF-8 is replaced; an error must always get out.
    out << answer.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
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

    auto done = within(config->timeout, [&] { return act(*parameters, *config); });
    if (!done) {
        bool fatal = config->failure_policy == FailurePolicy::closed &&
                     (parameters->command == Command::add || parameters->command == Command::check);
        if (fatal)
            return print_error({Code::not_instrumented, "the pod is not measured", done.error().reason},
                               config_text, out);
        logger.warn("{}: the pod goes on without: {}", parameters->container_id, done.error().reason);
    } else {
        logger.debug("{}: done", parameters->container_id);
    }
    if (parameters->command == Command::add)
        out << config->prev_result.dump() << '\n';
    return 0;
}

} // namespace podrtt::cni
