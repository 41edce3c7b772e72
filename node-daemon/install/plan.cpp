// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/plan.h"

#include <algorithm>
#include <optional>
#include <sstream>
#include <system_error>
#include <vector>

#include "bpf/user/file.h"
#include "node-daemon/install/conflist.h"
#include "node-daemon/install/libcni.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr const char *plugin_name = "podrtt";
constexpr const char *drop_in_name = "podrtt.conf";
constexpr mode_t entry_mode = 0600;
constexpr mode_t plugin_mode = 0755;

std::vector<fs::path> conf_files(const fs::path &conf_dir)
{
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(conf_dir, error))
        if (entry.path().extension() == ".conflist")
            found.push_back(entry.path());
    std::ranges::sort(found);
    return found;
}

std::vector<fs::path> drop_ins(const fs::path &conf_dir)
{
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(conf_dir, error))
        if (fs::exists(entry.path() / drop_in_name, error))
            found.push_back(entry.path() / drop_in_name);
    return found;
}

Result<std::string> read_present(const fs::path &path, std::size_t max_size = max_text_size)
{
    auto text = read_file(path, max_size);
    if (!text)
        return std::unexpected(text.error());
    return *text ? Result<std::string>(std::move(**text)) : failure("read", path, ENOENT);
}

// What a drop-in says, if it is podrtt's.
std::optional<std::string> read_drop_in(const fs::path &path)
{
    auto text = read_file(path);
    return text && *text && is_own_entry(**text) ? *text : std::nullopt;
}

Result<void> plan_plugin(const InstallOptions &options, FileChanges &changes)
{
    std::error_code error;
    const fs::path source = options.plugin.empty()
                                ? fs::read_symlink("/proc/self/exe", error).parent_path() / plugin_name
                                : options.plugin;
    auto wanted = read_present(source, max_program_size);
    if (!wanted)
        return std::unexpected(wanted.error());
    const fs::path path = options.bin_dir / plugin_name;
    auto present = read_file(path, max_program_size);
    if (!present)
        return std::unexpected(present.error());
    if (*present != *wanted)
        changes.push_back({path, std::move(*present), std::move(*wanted), plugin_mode, source});
    return {};
}

Result<FileChanges> plan_drop_in_removal(const InstallOptions &options)
{
    FileChanges changes;
    for (const auto &path : drop_ins(options.conf_dir)) {
        auto text = read_present(path);
        if (!text)
            return std::unexpected(text.error());
        changes.push_back({path, std::move(*text), std::nullopt, entry_mode, ""});
    }
    return changes;
}

// A drop-in that is there may have keys of the operator's, and stays as it is.
void plan_drop_in(const fs::path &path, const ConfList &list, FileChanges &changes)
{
    auto present = read_file(path).value_or(std::nullopt);
    if (!present || !is_own_entry(*present))
        changes.push_back({path, std::move(present), (list.own.empty() ? default_entry : list.own) + "\n",
                           entry_mode, ""});
}

Result<void> plan_list(const fs::path &path, const std::string &text, const Result<std::string> &edited,
                       FileChanges &changes)
{
    if (!edited)
        return std::unexpected(edited.error());
    if (*edited != text)
        changes.push_back({path, text, *edited, entry_mode, ""});
    return {};
}

Result<void> plan_entry(const InstallOptions &options, FileChanges &changes)
{
    // First, because it may take a while, and the list should be read, changed and written at once.
    const bool loads = options.drop_in || loads_drop_ins(options.runtime);
    auto path = find_conflist(options.conf_dir);
    if (!path)
        return std::unexpected(path.error());
    auto text = read_present(*path);
    if (!text)
        return std::unexpected(text.error());
    auto list = read_conflist(*text);
    if (!list)
        return std::unexpected(list.error());
    const fs::path drop_in = options.conf_dir / list->name / drop_in_name;
    if (loads && list->loads_drop_ins) {
        plan_drop_in(drop_in, *list, changes);
        return plan_list(*path, *text, remove_from_conflist(*text), changes);
    }
    const std::string entry = read_drop_in(drop_in).value_or(default_entry);
    if (auto planned = plan_list(*path, *text, add_to_conflist(*text, entry), changes); !planned)
        return planned;
    auto removal = plan_drop_in_removal(options);
    if (!removal)
        return std::unexpected(removal.error());
    std::ranges::move(*removal, std::back_inserter(changes));
    return {};
}

bool is_drop_in(const FileChange &change)
{
    return change.path.filename() == drop_in_name;
}

} // namespace

Result<fs::path> find_conflist(const fs::path &conf_dir)
{
    std::string reasons;
    for (const auto &path : conf_files(conf_dir)) {
        auto text = read_present(path);
        auto list = text ? read_conflist(*text) : std::unexpected(text.error());
        if (list)
            return path;
        reasons += "; " + path.filename().string() + ": " + list.error().reason;
    }
    return failure("find a CNI configuration list in", conf_dir,
                   "there is none that podrtt could be added to" + reasons);
}

Result<FileChanges> plan_install(const InstallOptions &options)
{
    FileChanges changes;
    // The other way round the runtime would look for a plugin that is not there.
    if (auto planned = plan_plugin(options, changes); !planned)
        return std::unexpected(planned.error());
    if (auto planned = plan_entry(options, changes); !planned)
        return std::unexpected(planned.error());
    return changes;
}

Result<UninstallPlan> plan_uninstall(const InstallOptions &options)
{
    UninstallPlan plan;
    for (const auto &path : conf_files(options.conf_dir)) {
        auto text = read_present(path);
        auto edited = text ? remove_from_conflist(*text) : std::unexpected(text.error());
        if (edited) // else it is not a list, so podrtt is not in it
            if (auto planned = plan_list(path, *text, edited, plan.entries); !planned)
                return std::unexpected(planned.error());
    }
    auto removal = plan_drop_in_removal(options);
    if (!removal)
        return std::unexpected(removal.error());
    std::ranges::move(*removal, std::back_inserter(plan.entries));
    const fs::path plugin = options.bin_dir / plugin_name;
    auto present = read_file(plugin, max_program_size);
    if (!present)
        return std::unexpected(present.error());
    if (*present)
        plan.plugin.push_back({plugin, std::move(*present), std::nullopt, plugin_mode, plugin});
    return plan;
}

Result<void> wake_runtime(const InstallOptions &options, const FileChanges &done)
{
    if (std::ranges::none_of(done, is_drop_in))
        return {};
    const fs::path dummy = options.conf_dir / ".podrtt-changed";
    std::ostringstream nothing;
    auto written = apply_changes(
        {{dummy, std::nullopt, "", entry_mode, ""}, {dummy, "", std::nullopt, entry_mode, ""}}, nothing);
    // A directory that only held the drop-in goes with it.
    std::error_code error;
    for (const auto &change : done)
        if (is_drop_in(change) && !change.after && fs::is_empty(change.path.parent_path(), error) && !error)
            fs::remove(change.path.parent_path(), error);
    return written;
}

Result<void> install(const InstallOptions &options, std::ostream &out)
{
    auto changes = plan_install(options);
    if (!changes)
        return std::unexpected(changes.error());
    if (options.dry_run) {
        print_diff(*changes, out);
        return {};
    }
    if (auto applied = apply_changes(*changes, out); !applied)
        return applied;
    auto woken = wake_runtime(options, *changes);
    if (!woken) // so that the next call does it again
        for (const auto &change : *changes)
            if (is_drop_in(change) && change.after) {
                std::error_code error;
                fs::remove(change.path, error);
            }
    return woken;
}

} // namespace podrtt
