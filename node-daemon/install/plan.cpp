// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/plan.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <system_error>
#include <utility>

#include "bpf/user/file.h"
#include "node-daemon/install/conflist.h"
#include "node-daemon/install/libcni.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr const char *drop_in_name = "podrtt.conf";
constexpr mode_t entry_mode = 0600;

// Of these extensions runtimes read files, in the order of their names (libcni, ConfFiles).
std::vector<fs::path> conf_files(const fs::path &conf_dir)
{
    std::vector<fs::path> found;
    std::error_code error;
    for (const auto &entry : fs::directory_iterator(conf_dir, error)) {
        const fs::path extension = entry.path().extension();
        if ((extension == ".conf" || extension == ".conflist" || extension == ".json") &&
            !entry.is_directory(error))
            found.push_back(entry.path());
    }
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

Result<std::string> read_present(const fs::path &path)
{
    auto text = read_file(path);
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

std::unexpected<Error> no_list(const fs::path &conf_dir, int code, const std::string &reason)
{
    return std::unexpected(
        Error{"find a CNI configuration list in", conf_dir, code,
              "there is none that podrtt could be added to" + (reason.empty() ? "" : "; " + reason)});
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

// Of all lists but one. Tells of those that cannot be understood, which may have one, too.
Result<void> plan_list_removal(const fs::path &conf_dir, const fs::path &but, FileChanges &changes)
{
    Result<void> understood;
    for (const auto &path : conf_files(conf_dir)) {
        if (path == but || path.extension() != ".conflist")
            continue;
        auto text = read_present(path);
        auto planned = text ? plan_list(path, *text, remove_from_conflist(*text), changes)
                            : std::unexpected(text.error());
        if (!planned)
            understood = std::unexpected(Error{"look for podrtt in", path, EAGAIN, planned.error().reason});
    }
    return understood;
}

// All but one.
Result<void> plan_drop_in_removal(const fs::path &conf_dir, const fs::path &but, FileChanges &changes)
{
    for (const auto &path : drop_ins(conf_dir)) {
        if (path == but)
            continue;
        auto text = read_present(path);
        if (!text)
            return std::unexpected(text.error());
        changes.push_back({path, std::move(*text), std::nullopt, entry_mode, ""});
    }
    return {};
}

Result<void> speaks(const std::vector<std::string> &plugin, const fs::path &path, const ConfList &list)
{
    for (const auto &version : list.versions)
        if (std::ranges::find(plugin, version) == plugin.end())
            return failure("add podrtt to", path,
                           "it is of CNI " + version + ", which podrtt does not speak");
    return {};
}

Result<FileChanges> plan_wanted(const EntryOptions &options, const std::vector<std::string> &versions)
{
    // First, because it may take a while, and the list should be read, changed and written at once.
    const bool loads = options.drop_in || loads_drop_ins(options.runtime);
    auto path = find_conflist(options.conf_dir);
    if (!path)
        return std::unexpected(path.error());
    auto text = read_present(*path);
    auto list = text ? read_conflist(*text) : std::unexpected(text.error());
    if (!list) // written since it was found
        return no_list(options.conf_dir, EAGAIN, list.error().message());
    if (auto spoken = speaks(versions, *path, *list); !spoken)
        return std::unexpected(spoken.error());

    FileChanges changes;
    const fs::path drop_in = options.conf_dir / list->name / drop_in_name;
    const bool is_drop_in = loads && list->loads_drop_ins;
    if (is_drop_in)
        plan_drop_in(drop_in, *list, changes);
    const auto edited =
        is_drop_in ? remove_from_conflist(*text)
                   : add_to_conflist(*text, read_drop_in(drop_in).value_or(list->own.empty() ? default_entry
                                                                                             : list->own));
    if (auto planned = plan_list(*path, *text, edited, changes); !planned)
        return std::unexpected(planned.error());
    // Those that cannot be understood are not what the runtime takes.
    [[maybe_unused]] const auto understood = plan_list_removal(options.conf_dir, *path, changes);
    if (auto planned = plan_drop_in_removal(options.conf_dir, is_drop_in ? drop_in : "", changes); !planned)
        return std::unexpected(planned.error());
    return changes;
}

// Nothing is known to be wrong, so that what there is may stay.
bool may_pass(const Error &error)
{
    return error.code == EAGAIN || error.code == ENOMEM;
}

} // namespace

Result<fs::path> find_conflist(const fs::path &conf_dir)
{
    const auto files = conf_files(conf_dir);
    if (files.empty())
        return no_list(conf_dir, EAGAIN, "");
    const fs::path &first = files.front();
    const std::string name = first.filename();
    if (first.extension() != ".conflist")
        return no_list(conf_dir, EINVAL,
                       name + ", which runtimes take because it is the first by name, is a single "
                              "configuration; make it a list (a .conflist with \"plugins\")");
    auto text = read_present(first);
    auto list = text ? read_conflist(*text) : std::unexpected(text.error());
    // Nor is it another then: the next by name would get an entry that stays.
    return list ? Result<fs::path>(first) : no_list(conf_dir, EAGAIN, name + ": " + list.error().reason);
}

EntryPlan plan_entry(const EntryOptions &options, const Result<std::vector<std::string>> &versions)
{
    auto wanted = versions ? plan_wanted(options, *versions) : std::unexpected(versions.error());
    if (wanted)
        return {std::move(*wanted), std::nullopt};
    if (may_pass(wanted.error()))
        return {{}, wanted.error()};
    return {plan_entry_removal(options.conf_dir).changes, wanted.error()};
}

EntryPlan plan_entry_removal(const fs::path &conf_dir)
{
    EntryPlan plan;
    auto lists = plan_list_removal(conf_dir, "", plan.changes);
    auto files = plan_drop_in_removal(conf_dir, "", plan.changes);
    if (!lists)
        plan.refused = lists.error();
    else if (!files)
        plan.refused = files.error();
    return plan;
}

bool is_drop_in(const FileChange &change)
{
    return change.path.filename() == drop_in_name;
}

} // namespace podrtt
