// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/install.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <system_error>
#include <thread>

#include "bpf/user/fd.h"
#include "node-daemon/install/plugin.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

fs::path source_of(const InstallOptions &options)
{
    return options.plugin.empty() ? shipped_plugin() : options.plugin;
}

fs::path path_of(const InstallOptions &options)
{
    return options.bin_dir / plugin_name;
}

// Runtimes watch the configuration directory itself, but not those below it: after a change there, this
// makes them look.
Result<void> wake_runtime(const fs::path &conf_dir, const FileChanges &done)
{
    if (std::ranges::none_of(done, is_drop_in))
        return {};
    const fs::path dummy = conf_dir / ".podrtt-changed";
    // One that was killed may have left it.
    const Fd made(open(dummy.c_str(), O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    auto written = made ? Result<void>() : failure("write", dummy, errno);
    unlink(dummy.c_str());
    // A directory that only held the drop-in goes with it.
    std::error_code error;
    for (const auto &change : done)
        if (is_drop_in(change) && !change.after && fs::is_empty(change.path.parent_path(), error) && !error)
            fs::remove(change.path.parent_path(), error);
    return written;
}

Result<void> change_entries(const fs::path &conf_dir, const FileChanges &changes, std::ostream &out)
{
    if (auto applied = apply_changes(changes, out); !applied)
        return applied;
    auto woken = wake_runtime(conf_dir, changes);
    if (!woken) // so that the next call does it again
        for (const auto &change : changes)
            if (is_drop_in(change) && change.after) {
                std::error_code error;
                fs::remove(change.path, error);
            }
    return woken;
}

Result<void> put_plugin(const InstallOptions &options, std::ostream &out)
{
    auto changes = plan_plugin(source_of(options), path_of(options));
    return changes ? apply_changes(*changes, out) : std::unexpected(changes.error());
}

Result<void> show_plan(const InstallOptions &options, std::ostream &out)
{
    auto plugin = plan_plugin(source_of(options), path_of(options));
    if (!plugin)
        return std::unexpected(plugin.error());
    print_diff(*plugin, out);
    const auto entries = plan_entry(options.entry, ask_versions(source_of(options)));
    print_diff(entries.changes, out);
    return entries.refused ? std::unexpected(*entries.refused) : Result<void>();
}

} // namespace

Result<void> install(const InstallOptions &options, std::ostream &out, const MayChange &may_change)
{
    if (options.dry_run)
        return show_plan(options, out);
    // If it cannot be put there, one of before may be there.
    const auto plugin = put_plugin(options, out);
    const auto entries = plan_entry(options.entry, ask_versions(path_of(options)));
    // Who would break pods goes at once.
    if (!entries.changes.empty() && !entries.refused && !may_change())
        return std::unexpected(Error{"change", entries.changes.front().path, EBUSY,
                                     "another writer puts its own version back again and again"});
    auto changed = change_entries(options.entry.conf_dir, entries.changes, out);
    if (!plugin)
        return plugin;
    return entries.refused ? std::unexpected(*entries.refused) : changed;
}

InstallationState check_installation(const InstallOptions &options)
{
    const auto versions = ask_versions(path_of(options));
    InstallationState found;
    for (const bool drop_in : {true, false}) { // either will do
        const EntryPlan plan = plan_entry({options.entry.conf_dir, drop_in, ""}, versions);
        if (plan.refused)
            return {plan.refused->message(), !plan.changes.empty()};
        if (plan.changes.empty())
            return {};
        found.missing = "the entry in " + plan.changes.front().path.string() + " is missing, or too much";
    }
    return found;
}

Result<void> uninstall(const InstallOptions &options, std::ostream &out)
{
    auto entries = plan_entry_removal(options.entry.conf_dir);
    if (entries.refused)
        return std::unexpected(*entries.refused);
    const fs::path path = path_of(options);
    auto plugin = plan_plugin_removal(path);
    if (!plugin)
        return std::unexpected(plugin.error());
    if (options.dry_run) {
        print_diff(entries.changes, out);
        print_diff(*plugin, out);
        return {};
    }
    if (auto changed = change_entries(options.entry.conf_dir, entries.changes, out); !changed)
        return changed;
    if (!entries.changes.empty() && options.wait.count() > 0) {
        out << "waiting " << options.wait.count() << " s for pods that are being created or deleted\n"
            << std::flush;
        std::this_thread::sleep_for(options.wait);
    }
    // Whoever has put an entry back meanwhile would break pods without the file.
    entries = plan_entry_removal(options.entry.conf_dir);
    if (entries.refused)
        return std::unexpected(*entries.refused);
    if (!entries.changes.empty())
        return std::unexpected(Error{"remove", path, EBUSY,
                                     "somebody has put the entry back into " +
                                         entries.changes.front().path.string() + "; uninstall once more"});
    return apply_changes(*plugin, out);
}

} // namespace podrtt
