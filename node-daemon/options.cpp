// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/options.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <set>
#include <string_view>

#include "bpf/user/duration.h"
#include "bpf/user/kinds.h"
#include "bpf/user/version.h"
#include "node-daemon/config_file.h"
#include "node-daemon/manual.h"
#include "node-daemon/web/listen_address.h"

namespace podrtt
{

using namespace std::chrono_literals;

namespace
{

void add_directory_options(CLI::App &command, InstallOptions &options)
{
    command
        .add_option("--cni-conf-dir", options.entry.conf_dir, "Where the runtime reads CNI configurations")
        ->type_name("DIRECTORY")
        ->capture_default_str();
    command.add_option("--cni-bin-dir", options.bin_dir, "Where the runtime looks for plugins")
        ->type_name("DIRECTORY")
        ->capture_default_str();
}

void add_install_options(CLI::App &command, InstallOptions &options)
{
    add_directory_options(command, options);
    command
        .add_option("--plugin", options.plugin,
                    "The plugin to copy; the one beside this executable if not said")
        ->type_name("FILE");
    command.add_flag(
        "--drop-in", options.entry.drop_in,
        "Write <network>/podrtt.conf instead of an entry in the list; for runtimes with libcni "
        "1.3.0 or later (containerd 2.1)");
    command
        .add_option("--runtime", options.entry.runtime,
                    "The runtime's executable: if it is built with such a libcni, --drop-in is the default")
        ->type_name("FILE")
        ->capture_default_str();
}

// An option that takes one of these words.
CLI::Option *add_choice(CLI::App &command, const std::string &name, std::string &chosen,
                        const std::vector<std::string> &words, const std::string &description)
{
    return command.add_option(name, chosen, description)
        ->check(CLI::IsMember(words))
        ->capture_default_str();
}

// A duration as 5m or 250ms; a number alone counts `bare`. What is finer than the option's own unit is
// rounded up.
template <typename Duration>
CLI::Option *add_duration(CLI::App &command, const std::string &name, Duration &duration,
                          const std::string &description, Duration min, Duration max, Duration bare)
{
    const auto read = [bare](const std::string &text) { return parse_duration(text, bare); };
    const auto set = [&duration, read](const std::string &text) {
        duration = std::chrono::ceil<Duration>(*read(text));
    };
    const auto check = [read, min, max](const std::string &text) -> std::string {
        const auto wanted = read(text);
        if (!wanted)
            return text + " is no duration such as 90s, 5m or 250ms";
        return *wanted >= min && *wanted <= max
                   ? ""
                   : text + " is not from " + format_duration(min) + " to " + format_duration(max);
    };
    return command.add_option_function<std::string>(name, set, description)
        ->check(check)
        ->type_name("DURATION")
        ->default_str(format_duration(duration));
}

// The same, where the words stand for numbers.
template <typename Number, std::size_t count>
CLI::Option *add_choice(CLI::App &command, const std::string &name, Number &chosen,
                        const Word<Number> (&words)[count], const std::string &description)
{
    std::vector<std::string> names;
    names.reserve(count);
    for (const auto &word : words)
        names.emplace_back(word.name);
    const auto set = [&chosen, &words](const std::string &wanted) {
        chosen = std::ranges::find(words, wanted, &Word<Number>::name)->number;
    };
    return command.add_option_function<std::string>(name, set, description)
        ->check(CLI::IsMember(names))
        ->default_str(std::ranges::find(words, chosen, &Word<Number>::number)->name);
}

CLI::Option *add_leg(CLI::App &command, std::optional<podrtt_leg> &leg, const std::string &description)
{
    static constexpr Word<std::optional<podrtt_leg>> words[] = {
        {std::nullopt, "both"},
        {PODRTT_LEG_NETWORK, leg_of(PODRTT_LEG_NETWORK).name},
        {PODRTT_LEG_POD, leg_of(PODRTT_LEG_POD).name}};
    return add_choice(command, "--leg", leg, words, description);
}

// The first word that is neither an option nor an option's value nor a command, if no command comes before
// it.
std::string unknown_command(const CLI::App &app, int argc, const char *const *argv)
{
    const auto commands = app.get_subcommands([](const CLI::App *) { return true; });
    for (int i = 1; i < argc; i++) {
        std::string word = argv[i];
        if (std::ranges::any_of(commands,
                                [&](const CLI::App *command) { return command->get_name() == word; }))
            return "";
        if (!word.starts_with('-'))
            return word;
        if (const CLI::Option *option = app.get_option_no_throw(word);
            option && option->get_items_expected() > 0)
            i++;
    }
    return "";
}

// Prints what is wrong, in one line but for a configuration file with several mistakes.
int report_mistake(const CLI::App &app, const CLI::ParseError &error, int argc, const char *const *argv)
{
    constexpr int wrong_usage = 2;
    const auto commands = app.get_subcommands();
    const std::string command =
        app.get_name() + (commands.empty() ? "" : " " + commands.front()->get_name());
    std::string mistake = error.what();
    if (const auto unknown = unknown_command(app, argc, argv); !unknown.empty())
        mistake = "there is no command " + unknown;
    std::cerr << command << ": " << mistake << "; see " << command << " --help\n";
    return wrong_usage;
}

// Round trips are called so on the command line, as in the names of metrics.
const char *option_name(const Kind &kind)
{
    return kind.kind == PODRTT_KIND_DATA ? "rtt" : kind.name;
}

constexpr const char *all = "all";
constexpr std::chrono::seconds week = std::chrono::weeks(1), year = std::chrono::days(365);

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
    const auto duration = parse_duration(text);
    if (!duration || duration->count() == 0)
        return std::nullopt;
    const double exponent = std::round(std::log2(std::chrono::duration<double>(*duration).count()));
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

// Options of events as they are written.
struct EventWords {
    std::string cidr = {};
    std::vector<std::string> kinds = {};
};

// Of --kind: no kind of times, but connections that open and close.
constexpr const char *connections = "flow";

std::vector<std::string> event_names()
{
    auto names = kind_names();
    names.emplace_back(connections);
    return names;
}

// Those that stream and watch have.
void add_event_options(CLI::App &command, StreamOptions &options, EventWords &words)
{
    EventFilter &filter = options.filter;
    add_choice(
        command, "--format,-F", options.format, event_formats,
        "As ePPing has them: standard, for people; ppviz; json, one list; jsonl, an object in each line");
    add_leg(command, filter.leg, "Only one leg");
    command
        .add_option("--kind", words.kinds,
                    "Only what is timed so, by commas; flow: connections that open and close")
        ->delimiter(',')
        ->allow_extra_args(false) // the word that follows may be an interface
        ->check(CLI::IsMember(event_names()));
    command.add_option("--peer", filter.peer, "Only peers of this class");
    command.add_option("--cidr", words.cidr, "Only peers in this network")
        ->type_name("CIDR")
        ->check([](const std::string &text) {
            const auto prefix = parse_peer("cidr=" + text);
            return prefix ? "" : prefix.error().message();
        });
    command.add_option("--port", filter.port, "Only connections of which one end has this port")
        ->check(CLI::Range(1, 65535));
    add_duration(command, "--slower-than", filter.slower_than, "Only times longer than this", 0ns,
                 std::chrono::nanoseconds(64s), std::chrono::nanoseconds(0ns));
    // Of what could never come there is nothing to wait for.
    command.callback([&] {
        const bool of_connections_alone =
            !words.kinds.empty() &&
            std::ranges::all_of(words.kinds, [](const auto &kind) { return kind == connections; });
        if (of_connections_alone &&
            (filter.leg || filter.slower_than.count() > 0 || options.format == EventFormat::ppviz))
            throw CLI::ValidationError("--kind flow",
                                       "connections that open and close have no leg and no time, and "
                                       "no form in ppviz");
    });
    command.add_option("--count", options.count, "End after so many lines");
    add_duration(command, "--duration", options.duration, "End after so long", 0s, week, 1s);
    command.add_option("--rate", options.rate, "Lines a second at most; says how many were left out");
}

void set_events(StreamOptions &options, const EventWords &words)
{
    auto names = words.kinds;
    const bool of_connections = std::erase(names, connections) > 0;
    if (auto chosen = parse_kinds(names)) {
        options.filter.kinds = std::move(*chosen);
        if (of_connections)
            options.filter.kinds.insert(options.filter.kinds.end(),
                                        {PODRTT_KIND_OPENED, PODRTT_KIND_CLOSED});
    }
    if (!words.cidr.empty())
        options.filter.cidr = parse_peer("cidr=" + words.cidr)->key;
}

} // namespace

std::expected<Options, int> parse_options(int argc, const char *const *argv)
{
    Options options;
    std::vector<std::string> peers;
    std::vector<std::string> listen = {"127.0.0.1:9435"};
    std::string level = "pod", log_format = "text";
    bool no_peers = false;
    std::vector<std::string> pod_metrics = {"rtt", "response", "connect", "dns"};
    std::vector<std::string> pod_buckets = {"244us", "977us", "3.9ms", "15.6ms", "62.5ms", "250ms", "1s"};

    CLI::App app{"podrttd measures what every pod on this node waits for on the network.", "podrttd"};
    app.set_version_flag("--version", "podrttd " + version_and_commit());
    app.require_subcommand(1);
    app.fallthrough();
    app.add_option("--pin-path", options.pin_path, "Directory on a bpffs for maps and programs")
        ->type_name("DIRECTORY")
        ->capture_default_str();

    CLI::App *run =
        app.add_subcommand("run", "Load the programs and serve /metrics, until SIGTERM or SIGINT");
    app.config_formatter(config_file(app, *run));
    app.allow_config_extras(false);
    app.set_config("--config", "", "YAML or JSON file with options of run; SIGHUP reads it again")
        ->type_name("FILE");
    run->add_option("--web.config.file", options.run.web_config,
                    "YAML file of Prometheus' exporter-toolkit: TLS and basic authentication")
        ->type_name("FILE");
    run->add_option(
           "--listen,--web.listen-address", listen,
           "Where to serve /metrics: HOST:PORT, [HOST]:PORT, or :PORT for all addresses; repeatable")
        ->check([](const std::string &text) {
            const auto address = parse_listen_address(text);
            return address ? "" : address.error().message();
        })
        ->type_name("ADDRESS")
        ->capture_default_str();
    run->add_option(
           "--peer", peers,
           "NAME=CIDR: a name for a network that connections lead to; repeatable, and the longest prefix "
           "counts. The rest is \"private\" or \"internet\"")
        ->check([](const std::string &text) {
            auto peer = parse_peer(text);
            return peer ? "" : peer.error().message();
        })
        ->type_name("NAME=CIDR");
    add_duration(*run, "--grace-period", options.run.grace_period, "How long a deleted pod's series stay",
                 0s, week, 1s);
    add_duration(*run, "--namespace-grace-period", options.run.namespace_grace_period,
                 "How long the series of a namespace without pods stay; then it is part of ~gone", 0s, year,
                 1s);
    run->add_option("--cni-cache-dir", options.run.cni_cache,
                    "libcni's cache, in which pods are found that no plugin has reported")
        ->type_name("DIRECTORY")
        ->capture_default_str();
    run->add_flag("--icmp", options.run.icmp, "Measure ICMP echo (ping), too");
    run->add_flag("!--no-dns", options.run.dns, "Leave DNS queries and their answers alone");
    add_choice(*run, "--attach", options.run.attach, forms,
               "auto, clsact or tcx (both on the host veth), or pod (inside the pod). auto moves a pod "
               "inside whose packets pass the host veth in one direction only");
    add_choice(*run, "--level", level, {"pod", "namespace"},
               "pod, or namespace: no histograms of single pods on /metrics");
    add_leg(*run, options.run.series.leg,
            "both, or the one leg whose histograms are on /metrics: network or pod");
    run->add_flag("!--no-node-peer", options.run.node_peer,
                  "No peer class \"node\" for the node's own addresses, from which probes come");
    run->add_flag("--no-peers", no_peers, "Sum peer classes up on /metrics, without the label peer");
    run->add_flag(
        "--created-timestamps", options.run.series.created,
        "Say on /metrics when the histograms and counts of each pod began, to who asks for OpenMetrics "
        "(one more sample for each) or protocol buffers");
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
    add_duration(*run, "--sample-interval", options.run.datapath.sample_interval,
                 "About how long it is between two samples of one end of a connection, which are chosen by "
                 "chance; 0: every request and response is measured",
                 0ms, 1000ms, 1ms);
    run->add_option("--max-flows", options.run.datapath.flows,
                    "Connections watched at a time, of all pods together")
        ->check(CLI::Range(1024u, 16u * 1024 * 1024))
        ->capture_default_str();
    add_choice(*run, "--log-level", options.run.log_level, {"debug", "info", "warn", "warning", "error"},
               "debug, info, warn or error");
    add_choice(*run, "--log-format", log_format, {"text", "json"}, "text, or json: an object in each line");

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

    add_duration(*uninstall, "--wait", options.install.wait,
                 "How long between the entry and the plugin's file, which pods on their way still need", 0s,
                 600s, 1s);
    uninstall->add_flag("--purge", options.purge,
                        "Take the programs off all pods, too, and remove what is pinned: what was measured "
                        "is lost. The daemon must have ended");

    std::string output = "table";
    std::chrono::seconds window{0};
    CLI::App *top = app.add_subcommand(
        "top", "Show what pods wait for, on the terminal: ? helps there; or once, as a table or JSON");
    add_duration(*top, "--interval", options.top.interval, "How long between two pictures", 1s, 3600s, 1s);
    add_duration(*top, "--window", window,
                 "Only what is measured within so long: on the terminal of the last 10s, if not said; "
                 "once, from now "
                 "on, if not said since each pod's beginning",
                 0s, 3600s, 1s);
    add_choice(*top, "--sort", options.top.order, orders,
               "What comes first: the worst wait, or the largest of these");
    top->add_option("--namespace", options.top.filter.name_space, "Only pods of this namespace");
    top->add_option("--pod", options.top.filter.pod, "Only the pod of this name");
    add_leg(*top, options.top.filter.leg, "Only one leg");
    top->add_option("--peer", options.top.filter.peer, "Only peers of this class");
    top->add_flag("--once", options.top.once,
                  "Print once and end, as is done where the output is no terminal");
    add_choice(*top, "--output,-o", output, {"table", "json"}, "table, or json; implies --once");
    top->add_flag("--json", options.top.json, "The same as --output json");

    EventWords event_words;
    CLI::App *stream = app.add_subcommand("stream", "Print every time as it is measured, a line each");
    stream->add_option("--namespace", options.stream.filter.name_space, "Only of pods in this namespace");
    stream->add_option("--pod", options.stream.filter.pod, "Only of the pod of this name");
    add_event_options(*stream, options.stream, event_words);

    EventWords watched_words;
    CLI::App *watch = app.add_subcommand(
        "watch",
        "Measure one interface of this node, without CNI and without a daemon, as long as it runs: "
        "print every time, or --top");
    watch->add_option("interface", options.watch.interface, "Its name, as ip link has it")->required();
    watch->add_flag("--own", options.watch.own,
                    "Measure this host, though the interface is a veth: as in a container");
    watch->add_flag("--top", options.watch.shows_top,
                    "Show what is waited for, as podrttd top does; where the output is no terminal, a "
                    "table after 10s or --duration");
    add_event_options(*watch, options.watch.stream, watched_words);
    for (const char *name :
         {"--format", "--kind", "--cidr", "--port", "--slower-than", "--count", "--rate"})
        watch->get_option("--top")->excludes(watch->get_option(name)); // of single times

    CLI::App *status = app.add_subcommand(
        "status",
        "Show what podrtt does on this node; ends with 3 if no daemon runs or a pod is not measured");
    add_directory_options(*status, options.status.installation);
    status->add_flag("--json", options.status.json, "Print JSON");

    CLI::App *doctor = app.add_subcommand(
        "doctor",
        "Look for what is missing or in the way, and say what to do; fails if something is wrong");
    add_directory_options(*doctor, options.doctor.installation);
    doctor->add_flag("--json", options.doctor.json, "Print JSON: a list of findings");
    doctor->add_option("--cni-cache-dir", options.doctor.cni_cache, "libcni's cache")
        ->type_name("DIRECTORY")
        ->capture_default_str();

    std::string shell;
    CLI::App *man = app.add_subcommand("man", "Print the manual page podrttd(8)");
    CLI::App *completion =
        app.add_subcommand("completion", "Print what completes podrttd's command line in a shell");
    completion->add_option("shell", shell, "bash or zsh")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh"}));

    // For manifests, whose image has no shell.
    CLI::App *mount_bpffs = app.add_subcommand(
        "mount-bpffs", "Mount a bpffs on /sys/fs/bpf if there is none, for the daemon and the plugin");
    CLI::App *pause = app.add_subcommand("pause", "Do nothing, until SIGTERM or SIGINT");

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError &error) {
        if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) // --help, --version
            return std::unexpected(app.exit(error));
        return std::unexpected(report_mistake(app, error, argc, argv));
    }
    if (man->parsed() || completion->parsed()) {
        std::cout << (man->parsed() ? make_manual(app)
                                    : make_completion(app, shell == "bash" ? Shell::bash : Shell::zsh));
        return std::unexpected(0);
    }
    for (const auto &[command, subcommand] :
         {std::pair(top, Subcommand::top), std::pair(stream, Subcommand::stream),
          std::pair(watch, Subcommand::watch), std::pair(status, Subcommand::status),
          std::pair(doctor, Subcommand::doctor), std::pair(install, Subcommand::install),
          std::pair(uninstall, Subcommand::uninstall), std::pair(mount_bpffs, Subcommand::mount_bpffs),
          std::pair(pause, Subcommand::pause)})
        if (command->parsed())
            options.subcommand = subcommand;
    for (const auto &address : listen)
        options.run.listen.push_back(*parse_listen_address(address));
    options.run.json_log = log_format == "json";
    options.run.series.pods = level == "pod";
    options.run.series.peers = !no_peers;
    options.run.series.pod_kinds = parse_kinds(pod_metrics);
    options.run.series.pod_bounds = parse_bounds(pod_buckets);
    if (window > 0s)
        options.top.window = window;
    set_events(options.stream, event_words);
    set_events(options.watch.stream, watched_words);
    options.watch.top.filter.leg = options.watch.stream.filter.leg;
    options.watch.top.filter.peer = options.watch.stream.filter.peer;
    options.watch.top.duration = options.watch.stream.duration;
    options.watch.top.once = !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO);
    if (options.watch.top.once) // nothing has been measured before
        options.watch.top.window = options.watch.stream.duration > 0s ? options.watch.stream.duration : 10s;
    options.top.json |= output == "json";
    options.top.once |=
        options.top.json || top->count("--output") > 0 || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO);
    options.run.peers = default_peers();
    for (const auto &peer : peers)
        options.run.peers.push_back(*parse_peer(peer));
    return options;
}

} // namespace podrtt
