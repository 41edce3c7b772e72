// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>
#include <string_view>

#include "bpf/user/kinds.h"
#include "bpf/user/version.h"
#include "node-daemon/config_file.h"

namespace podrtt
{

namespace
{

void add_directory_options(CLI::App &command, InstallOptions &options)
{
    command
        .add_option("--cni-conf-dir", options.entry.conf_dir, "Where the runtime reads CNI configurations")
        ->capture_default_str();
    command.add_option("--cni-bin-dir", options.bin_dir, "Where the runtime looks for plugins")
        ->capture_default_str();
}

void add_install_options(CLI::App &command, InstallOptions &options)
{
    add_directory_options(command, options);
    command.add_option("--plugin", options.plugin,
                       "The plugin to copy; the one beside this executable if not said");
    command.add_flag(
        "--drop-in", options.entry.drop_in,
        "Write <network>/podrtt.conf instead of an entry in the list; for runtimes with libcni "
        "1.3.0 or later (containerd 2.1)");
    command
        .add_option("--runtime", options.entry.runtime,
                    "The runtime's executable: if it is built with such a libcni, --drop-in is the default")
        ->capture_default_str();
}

std::map<std::string, podrtt_attach> forms_by_name()
{
    std::map<std::string, podrtt_attach> by_name;
    for (const auto &[form, name] : forms)
        by_name[name] = form;
    return by_name;
}

// Round trips are called so on the command line, as in the names of metrics.
const char *option_name(const Kind &kind)
{
    return kind.kind == PODRTT_KIND_DATA ? "rtt" : kind.name;
}

constexpr const char *all = "all";

std::vector<std::string> kind_names()
{
    std::vector<std::string> names = {all};
    names.reserve(names.size() + std::size(kinds));
    for (const Kind &kind : kinds)
        names.emplace_back(option_name(kind));
    return names;
}

std::optional<std::vector<podrtt_kind>> parse_kinds(const std::vector<std::string> &names)
{
    if (std::ranges::count(names, all))
        return std::nullopt;
    std::vector<podrtt_kind> chosen;
    chosen.reserve(names.size());
    for (const auto &name : names)
        chosen.push_back(std::ranges::find(kinds, name, option_name)->kind);
    return chosen;
}

// The power of two that is nearest, by its exponent; nothing if it is no duration, or has no bound.
std::optional<int> parse_bound(const std::string &text)
{
    constexpr std::pair<std::string_view, double> units[] = {
        {"us", 1e-6}, {"µs", 1e-6}, {"ms", 1e-3}, {"s", 1}};
    double number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    const std::string_view unit(end, text.data() + text.size());
    const auto *known = std::ranges::find(units, unit, &std::pair<std::string_view, double>::first);
    if (error != std::errc() || known == std::end(units) || !(number > 0))
        return std::nullopt;
    const double exponent = std::round(std::log2(number * known->second));
    if (exponent < min_bound || exponent > max_bound)
        return std::nullopt;
    return static_cast<int>(exponent);
}

Bounds parse_bounds(const std::vector<std::string> &texts)
{
    if (std::ranges::count(texts, all))
        return all_bounds();
    std::set<int> bounds;
    for (const auto &text : texts)
        bounds.insert(*parse_bound(text));
    return {bounds.begin(), bounds.end()};
}

} // namespace

std::expected<Options, int> parse_options(int argc, const char *const *argv)
{
    Options options;
    std::vector<std::string> peers;
    auto grace_seconds = static_cast<unsigned>(options.run.grace_period.count());
    auto namespace_grace_seconds = static_cast<unsigned>(options.run.namespace_grace_period.count());
    auto sample_milliseconds = static_cast<unsigned>(options.run.datapath.sample_interval.count());
    auto wait_seconds = static_cast<unsigned>(options.install.wait.count());
    auto interval_seconds = static_cast<unsigned>(options.top.interval.count());

    std::string level = "pod", leg = "both";
    bool no_peers = false;
    std::vector<std::string> pod_metrics = {"rtt", "response", "connect", "dns"};
    std::vector<std::string> pod_buckets = {"244us", "977us", "3.9ms", "15.6ms", "62.5ms", "250ms", "1s"};

    CLI::App app{"podrttd measures what every pod on this node waits for on the network."};
    app.set_version_flag("--version", std::string("podrttd ") + version);
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--pin-path", options.pin_path, "Directory on a bpffs for maps and programs")
        ->capture_default_str();

    CLI::App *run =
        app.add_subcommand("run", "Load the programs and serve /metrics, until SIGTERM or SIGINT");
    app.config_formatter(config_file(app, *run));
    app.allow_config_extras(false);
    app.set_config("--config", "", "YAML or JSON file with options of run; SIGHUP reads its peers again");
    run->add_option("--web.config.file", options.run.web_config,
                    "YAML file of Prometheus' exporter-toolkit: TLS and basic authentication");
    run->add_option("--listen", options.run.listen, "Where to serve /metrics, HOST:PORT")
        ->capture_default_str();
    run->add_option(
           "--peer", peers,
           "NAME=CIDR: a name for a network that connections lead to; repeatable, and the longest prefix "
           "counts. The rest is \"private\" or \"internet\"")
        ->check([](const std::string &text) {
            auto peer = parse_peer(text);
            return peer ? "" : peer.error().message();
        });
    run->add_option("--grace-period", grace_seconds, "Seconds for which a deleted pod's series stay")
        ->check(CLI::Range(0u, 7u * 24 * 60 * 60))
        ->capture_default_str();
    run->add_option(
           "--namespace-grace-period", namespace_grace_seconds,
           "Seconds for which the series of a namespace without pods stay; then it is part of ~gone")
        ->check(CLI::Range(0u, 365u * 24 * 60 * 60))
        ->capture_default_str();
    run->add_option("--cni-cache-dir", options.run.cni_cache,
                    "libcni's cache, in which pods are found that no plugin has reported")
        ->capture_default_str();
    run->add_flag("--icmp", options.run.icmp, "Measure ICMP echo (ping), too");
    run->add_flag("!--no-dns", options.run.dns, "Leave DNS queries and their answers alone");
    run->add_option(
           "--attach", options.run.attach,
           "auto, clsact or tcx (both on the host veth), or pod (inside the pod). auto moves a pod "
           "inside whose packets pass the host veth in one direction only")
        ->transform(CLI::CheckedTransformer(forms_by_name()));
    run->add_option("--level", level, "pod, or namespace: no histograms of single pods on /metrics")
        ->check(CLI::IsMember({"pod", "namespace"}))
        ->capture_default_str();
    run->add_option("--leg", leg, "both, or the one leg whose histograms are on /metrics: network or pod")
        ->check(CLI::IsMember({"both", "network", "pod"}))
        ->capture_default_str();
    run->add_flag("!--no-node-peer", options.run.node_peer,
                  "No peer class \"node\" for the node's own addresses, from which probes come");
    run->add_flag("--no-peers", no_peers, "Sum peer classes up on /metrics, without the label peer");
    run->add_option(
           "--max-pods", options.run.series.max_pods,
           "Pods with series of their own; later ones are summed up as ~other in each namespace. 0: "
           "all have")
        ->check(CLI::Range(0u, 100'000u))
        ->capture_default_str();
    run->add_option("--pod-metrics", pod_metrics,
                    "What is timed of single pods on /metrics, by commas, or all; namespaces have it all")
        ->delimiter(',')
        ->check(CLI::IsMember(kind_names()))
        ->capture_default_str();
    run->add_option(
           "--pod-buckets", pod_buckets,
           "Bounds of the classic histograms of single pods, by commas: the powers of two nearest to "
           "these durations, 15us to 8s, or all")
        ->delimiter(',')
        ->check([](const std::string &text) {
            return text == all || parse_bound(text) ? "" : text + " is no duration from 15us to 8s";
        })
        ->capture_default_str();
    run->add_option(
           "--sample-interval", sample_milliseconds,
           "About how many milliseconds lie between two samples of one end of a connection, which are "
           "chosen by chance; 0: every request and response is measured")
        ->check(CLI::Range(0u, 1000u))
        ->capture_default_str();
    run->add_option("--max-flows", options.run.datapath.flows,
                    "Connections watched at a time, of all pods together")
        ->check(CLI::Range(1024u, 16u * 1024 * 1024))
        ->capture_default_str();
    run->add_option("--log-level", options.run.log_level, "debug, info, warning or error")
        ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
        ->capture_default_str();

    run->add_flag("--install", options.run.install,
                  "Install the plugin, and put its entry back whenever somebody rewrites the list");
    add_install_options(*run, options.run.installation);

    CLI::App *install =
        app.add_subcommand("install", "Put the CNI plugin and its entry in the chain into place");
    CLI::App *uninstall = app.add_subcommand("uninstall", "Take the entry and the CNI plugin away");
    for (CLI::App *command : {install, uninstall}) {
        add_install_options(*command, options.install);
        command->add_flag("--dry-run", options.install.dry_run, "Only show what would change");
    }

    uninstall
        ->add_option("--wait", wait_seconds,
                     "Seconds between the entry and the plugin's file, which pods on their way still need")
        ->check(CLI::Range(0u, 600u))
        ->capture_default_str();
    uninstall->add_flag("--purge", options.purge,
                        "Take the programs off all pods, too, and remove what is pinned: what was measured "
                        "is lost. The daemon must have ended");

    CLI::App *top =
        app.add_subcommand("top", "Show the latency of every pod, from the histograms in the kernel");
    top->add_option("--interval", interval_seconds, "Seconds between two pictures")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    top->add_flag("--once", options.top.once, "Print one picture and end");
    top->add_flag("--json", options.top.json, "Print JSON instead of a table; implies --once");

    CLI::App *stream =
        app.add_subcommand("stream", "Print every time as it is measured, a line of JSON each");
    stream->add_option("--namespace", options.stream.name_space, "Only of pods in this namespace");
    stream->add_option("--pod", options.stream.pod, "Only of the pod of this name");

    CLI::App *status = app.add_subcommand("status", "Show what podrtt does on this node");
    add_directory_options(*status, options.status.installation);
    status->add_flag("--json", options.status.json, "Print JSON");

    CLI::App *doctor = app.add_subcommand(
        "doctor",
        "Look for what is missing or in the way, and say what to do; fails if something is wrong");
    add_directory_options(*doctor, options.doctor.installation);
    doctor->add_option("--cni-cache-dir", options.doctor.cni_cache, "libcni's cache")
        ->capture_default_str();

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        return std::unexpected(app.exit(error));
    }
    options.subcommand = top->parsed()         ? Subcommand::top
                         : stream->parsed()    ? Subcommand::stream
                         : status->parsed()    ? Subcommand::status
                         : doctor->parsed()    ? Subcommand::doctor
                         : install->parsed()   ? Subcommand::install
                         : uninstall->parsed() ? Subcommand::uninstall
                                               : Subcommand::run;
    options.run.grace_period = std::chrono::seconds(grace_seconds);
    options.run.namespace_grace_period = std::chrono::seconds(namespace_grace_seconds);
    options.run.datapath.sample_interval = std::chrono::milliseconds(sample_milliseconds);
    options.run.series.pods = level == "pod";
    options.run.series.peers = !no_peers;
    options.run.series.pod_kinds = parse_kinds(pod_metrics);
    options.run.series.pod_bounds = parse_bounds(pod_buckets);
    if (leg != "both")
        options.run.series.leg = std::ranges::find(legs, leg, &Leg::name)->leg;
    options.install.wait = std::chrono::seconds(wait_seconds);
    options.top.interval = std::chrono::seconds(interval_seconds);
    options.top.once |= options.top.json;
    options.run.peers = default_peers();
    for (const auto &peer : peers)
        options.run.peers.push_back(*parse_peer(peer));
    return options;
}

} // namespace podrtt
