// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <iostream>

#include "node-daemon/advice.h"
#include "node-daemon/counts/bpffs.h"
#include "node-daemon/daemon.h"
#include "node-daemon/install/install.h"
#include "node-daemon/install/purge.h"
#include "node-daemon/log.h"
#include "node-daemon/options.h"
#include "node-daemon/signals.h"
#include "node-daemon/views/doctor.h"
#include "node-daemon/views/status.h"
#include "node-daemon/views/stream.h"
#include "node-daemon/views/top.h"
#include "node-daemon/views/watch.h"

// Of podrttd status, as systemctl has it for a service that does not run.
constexpr int not_well = 3;

int main(int argc, char **argv)
{
    auto options = podrtt::parse_options(argc, argv);
    if (!options)
        return options.error();

    // A scrape takes some MiB for a moment. One arena for all threads, which keeps them: page
    // faults would cost more than everything else.
    mallopt(M_ARENA_MAX, 1);
    mallopt(M_MMAP_THRESHOLD, 32 * 1024 * 1024);
    mallopt(M_TRIM_THRESHOLD, 32 * 1024 * 1024);

    auto log = spdlog::stderr_logger_mt("podrttd");
    spdlog::set_default_logger(log);
    podrtt::set_log(*log, options->run.log_level, options->run.json_log);
    const podrtt::Pins pins(options->pin_path);

    podrtt::Result<void> done;
    switch (options->subcommand) {
    case podrtt::Subcommand::run:
        done = podrtt::run_daemon(
            pins, options->run,
            [&]() -> std::optional<podrtt::RunOptions> {
                auto again = podrtt::parse_options(argc, argv);
                if (again && again->pin_path != options->pin_path)
                    log->warn("a restart is needed for --pin-path");
                return again ? std::optional(again->run) : std::nullopt;
            },
            log);
        break;
    case podrtt::Subcommand::top:
        done = options->top.once ? podrtt::print_top(pins, options->top, std::cout)
                                 : podrtt::show_top(pins, options->top);
        break;
    case podrtt::Subcommand::install:
        done = podrtt::install(options->install, std::cout);
        break;
    case podrtt::Subcommand::uninstall:
        done = podrtt::uninstall(options->install, std::cout);
        if (done && options->purge)
            done = podrtt::purge(pins, options->install.dry_run, std::cout);
        break;
    case podrtt::Subcommand::status:
        if (auto well = podrtt::status(pins, options->status, std::cout); !well)
            done = std::unexpected(well.error());
        else if (!*well)
            return not_well;
        break;
    case podrtt::Subcommand::doctor:
        done = podrtt::doctor(pins, options->doctor, std::cout);
        break;
    case podrtt::Subcommand::watch:
        // A terminal that is closed must not leave anything behind.
        if (auto termination = podrtt::take_signals({SIGTERM, SIGINT, SIGHUP, SIGQUIT}))
            done = podrtt::watch(pins, options->watch, *termination, std::cout, std::cerr);
        else
            done = std::unexpected(termination.error());
        break;
    case podrtt::Subcommand::mount_bpffs:
        if (auto mounted = podrtt::ensure_bpffs(pins.directory()); !mounted)
            done = std::unexpected(mounted.error());
        break;
    case podrtt::Subcommand::pause:
        done = podrtt::wait_for_any({SIGTERM, SIGINT});
        break;
    case podrtt::Subcommand::stream:
        if (auto termination = podrtt::take_signals({SIGTERM, SIGINT}))
            done = podrtt::stream(pins, options->stream, *termination, std::cout, std::cerr);
        else
            done = std::unexpected(termination.error());
        break;
    }
    if (!done) {
        const auto advice = podrtt::advice_on(done.error(), options->subcommand);
        const auto message = done.error().message() + (advice.empty() ? "" : "; " + advice);
        if (!done.error().detail.empty())
            log->debug("{}", done.error().detail);
        if (options->subcommand == podrtt::Subcommand::run)
            log->error("{}", message);
        else
            std::cerr << "podrttd: " << message << '\n';
        return 1;
    }
    return 0;
}
