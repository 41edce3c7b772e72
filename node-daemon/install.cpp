// SPDX-License-Identifier: Apache-2.0
#include "install.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <system_error>
#include <thread>
#include <vector>

#include "conflist.h"
#include "fd.h"
#include "runtime.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr const char *plugin_name = "podrtt";
constexpr const char *drop_in_name = "podrtt.conf";

Result<std::string> read_file(const fs::path &path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file)
        return failure("read", path, errno);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

// The file as it was or as it shall be, never a part of it, whatever happens. The temporary file
// is in the same directory, and its name is none that a runtime reads. With `before`, it must still hold
// that: others write it, too.
Result<void> replace_file(const fs::path &path, const std::string &text, mode_t mode,
                          const std::string *before = nullptr)
{
    const fs::path temporary = path.string() + ".podrtt-new";
    struct stat present = {};
    const bool exists = stat(path.c_str(), &present) == 0;
    Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
    if (!fd)
        return failure("write", temporary, errno);
    bool done = fchmod(fd.get(), exists ? present.st_mode & 07777 : mode) == 0 &&
                (!exists || fchown(fd.get(), present.st_uid, present.st_gid) == 0);
    for (std::size_t written = 0; done && written < text.size();) {
        const ssize_t count = write(fd.get(), text.data() + written, text.size() - written);
        done = count > 0;
        written += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
    }
    done = done && fsync(fd.get()) == 0;
    const int error = errno;
    if (done && before && read_file(path) != *before) {
        unlink(temporary.c_str());
        return failure("write", path, "somebody else has written it meanwhile");
    }
    if (done && rename(temporary.c_str(), path.c_str()) == 0)
        return {};
    const int why = done ? errno : error;
    unlink(temporary.c_str());
    return failure("write", path, why);
}

// What changes, line by line, for people to read.
void print_diff(const fs::path &path, const std::string &before, const std::string &after,
                std::ostream &out)
{
    auto lines = [](const std::string &text) {
        std::vector<std::string> found;
        std::istringstream stream(text);
        for (std::string line; std::getline(stream, line);)
            found.push_back(line);
        return found;
    };
    const auto old_lines = lines(before), new_lines = lines(after);
    std::size_t same = 0;
    while (same < std::min(old_lines.size(), new_lines.size()) && old_lines[same] == new_lines[same])
        same++;
    std::size_t same_end = 0;
    while (same_end < std::min(old_lines.size(), new_lines.size()) - same &&
           old_lines[old_lines.size() - 1 - same_end] == new_lines[new_lines.size() - 1 - same_end])
        same_end++;
    out << "--- " << path.string() << "\n+++ " << path.string() << "\n@@ from line " << same + 1 << " @@\n";
    for (std::size_t i = same; i < old_lines.size() - same_end; i++)
        out << '-' << old_lines[i] << '\n';
    for (std::size_t i = same; i < new_lines.size() - same_end; i++)
        out << '+' << new_lines[i] << '\n';
}

// Writes `after` in the place of `before`, unless they are the same or this is a rehearsal.
Result<void> change_file(const InstallOptions &options, const fs::path &path, const std::string &before,
                         const std::string &after, std::ostream &out)
{
    if (before == after)
        return {};
    if (options.dry_run) {
        print_diff(path, before, after, out);
        return {};
    }
    if (auto replaced = replace_file(path, after, 0600, &before); !replaced)
        return replaced;
    out << "changed " << path.string() << '\n';
    return {};
}

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

// Runtimes watch the directory itself, but not those below it.
Result<void> wake_runtime(const fs::path &conf_dir)
{
    const fs::path dummy = conf_dir / ".podrtt-changed";
    if (auto written = replace_file(dummy, "", 0600); !written)
        return written;
    unlink(dummy.c_str());
    return {};
}

// What a drop-in says, if it is podrtt's.
std::optional<std::string> read_drop_in(const fs::path &path)
{
    auto text = read_file(path);
    return text && is_own_entry(*text) ? std::optional(*text) : std::nullopt;
}

// One that is there may have keys of the operator's, and stays as it is.
Result<void> install_drop_in(const InstallOptions &options, const ConfList &list, std::ostream &out)
{
    const fs::path path = options.conf_dir / list.name / drop_in_name;
    if (read_drop_in(path))
        return {};
    const std::string text = (list.own.empty() ? default_entry : list.own) + "\n";
    if (options.dry_run) {
        print_diff(path, "", text, out);
        return {};
    }
    std::error_code error;
    fs::create_directories(path.parent_path(), error);
    if (error)
        return failure("create directory", path.parent_path(), error.value());
    if (auto written = replace_file(path, text, 0600); !written)
        return written;
    out << "wrote " << path.string() << '\n';
    auto woken = wake_runtime(options.conf_dir);
    if (!woken) // so that the next call does it again
        unlink(path.c_str());
    return woken;
}

Result<void> install_file(const InstallOptions &options, std::ostream &out)
{
    std::error_code error;
    const fs::path source = options.plugin.empty()
                                ? fs::read_symlink("/proc/self/exe", error).parent_path() / plugin_name
                                : options.plugin;
    auto wanted = read_file(source);
    if (!wanted)
        return std::unexpected(wanted.error());
    const fs::path path = options.bin_dir / plugin_name;
    if (auto present = read_file(path); present && *present == *wanted)
        return {};
    if (options.dry_run) {
        out << "would copy " << source.string() << " to " << path.string() << '\n';
        return {};
    }
    if (auto written = replace_file(path, *wanted, 0755); !written)
        return written;
    out << "copied " << source.string() << " to " << path.string() << '\n';
    return {};
}

// The file goes, and the directory if nothing else is in it.
Result<void> remove_drop_ins(const InstallOptions &options, std::ostream &out)
{
    std::error_code error;
    bool changed = false;
    for (const auto &entry : fs::directory_iterator(options.conf_dir, error)) {
        const fs::path path = entry.path() / drop_in_name;
        if (!fs::exists(path, error))
            continue;
        if (options.dry_run) {
            out << "would remove " << path.string() << '\n';
            continue;
        }
        if (unlink(path.c_str()) != 0)
            return failure("remove", path, errno);
        rmdir(entry.path().c_str());
        out << "removed " << path.string() << '\n';
        changed = true;
    }
    return changed ? wake_runtime(options.conf_dir) : Result<void>();
}

// The entry in one of its two places, and in the other no more: a plugin is called once. Never in none
// of them meanwhile.
Result<void> install_entry(const InstallOptions &options, std::ostream &out)
{
    // First, for it may take its time, and the list should be read, changed and written at once.
    const bool loads = options.drop_in || loads_drop_ins(options.runtime);
    auto path = find_conflist(options.conf_dir);
    if (!path)
        return std::unexpected(path.error());
    auto text = read_file(*path);
    if (!text)
        return std::unexpected(text.error());
    auto list = read_conflist(*text);
    if (!list)
        return std::unexpected(list.error());
    const bool drop_in = loads && list->loads_drop_ins;
    if (drop_in)
        if (auto installed = install_drop_in(options, *list, out); !installed)
            return installed;
    auto edited =
        drop_in ? remove_from_conflist(*text)
                : add_to_conflist(
                      *text,
                      read_drop_in(options.conf_dir / list->name / drop_in_name).value_or(default_entry));
    if (!edited)
        return std::unexpected(edited.error());
    if (auto changed = change_file(options, *path, *text, *edited, out); !changed)
        return changed;
    return drop_in ? Result<void>() : remove_drop_ins(options, out);
}

} // namespace

Result<fs::path> find_conflist(const fs::path &conf_dir)
{
    std::string reasons;
    for (const auto &path : conf_files(conf_dir)) {
        auto text = read_file(path);
        auto list = text ? read_conflist(*text) : std::unexpected(text.error());
        if (list)
            return path;
        reasons += "; " + path.filename().string() + ": " + list.error().reason;
    }
    return failure("find a CNI configuration list in", conf_dir,
                   "there is none that podrtt could be added to" + reasons);
}

Result<void> install(const InstallOptions &options, std::ostream &out)
{
    // The other way round the runtime would look for a plugin that is not there.
    if (auto installed = install_file(options, out); !installed)
        return installed;
    return install_entry(options, out);
}

Result<void> uninstall(const InstallOptions &options, std::ostream &out)
{
    std::ostringstream changes;
    for (const auto &path : conf_files(options.conf_dir)) {
        auto text = read_file(path);
        auto edited = text ? remove_from_conflist(*text) : std::unexpected(text.error());
        if (!edited)
            continue; // it is no list, so podrtt is not in it
        if (auto changed = change_file(options, path, *text, *edited, changes); !changed)
            return std::unexpected(changed.error());
    }
    if (auto removed = remove_drop_ins(options, changes); !removed)
        return removed;
    out << changes.str();
    const fs::path plugin = options.bin_dir / plugin_name;
    if (options.dry_run) {
        out << "would remove " << plugin.string() << '\n';
        return {};
    }
    // Pods that are being created, or deleted, by the list as it was still need it.
    if (!changes.str().empty() && options.wait.count() > 0) {
        out << "waiting " << options.wait.count() << " s for pods that are on their way\n" << std::flush;
        std::this_thread::sleep_for(options.wait);
    }
    if (unlink(plugin.c_str()) == 0)
        out << "removed " << plugin.string() << '\n';
    else if (errno != ENOENT)
        return failure("remove", plugin, errno);
    return {};
}

} // namespace podrtt
