// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/file_change.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <system_error>

#include "bpf/user/fd.h"
#include "bpf/user/file.h"
#include "node-daemon/counts/lock.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr std::size_t context_lines = 3; // of a diff

bool write_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const ssize_t count = write(fd, text.data(), text.size());
        if (count <= 0)
            return false;
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

constexpr const char *written_meanwhile = "somebody else has written it meanwhile";

// A new file under a name that no runtime reads, synced.
Result<void> write_new(const FileChange &change, const fs::path &path, const fs::path &temporary)
{
    struct stat present = {};
    const bool exists = stat(path.c_str(), &present) == 0;
    const mode_t mode = exists ? (present.st_mode & 07777) | (change.mode & 0111) : change.mode;
    unlink(temporary.c_str()); // of an earlier run, or a link that somebody has put there
    const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd)
        return failure("write", temporary, errno);
    if (fchmod(fd.get(), mode) != 0 || (exists && fchown(fd.get(), present.st_uid, present.st_gid) != 0) ||
        !write_all(fd.get(), *change.after) || fsync(fd.get()) != 0)
        return failure("write", path, errno);
    return {};
}

// A lease for reading is not given of a file that is open for writing (fcntl(2)); nor, for other reasons,
// on some file systems.
bool is_open_for_writing(const fs::path &path)
{
    const Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
    // Who opens it meanwhile waits until it is closed here, of which a signal would tell.
    return fd && fcntl(fd.get(), F_SETSIG, SIGURG) == 0 && fcntl(fd.get(), F_SETLEASE, F_RDLCK) != 0 &&
           errno == EAGAIN;
}

// Whether the file is what somebody has put there, and will stay so.
bool holds(const FileChange &change, const fs::path &path, const std::optional<std::string> &text)
{
    const auto present = read_file(path, change.source.empty() ? max_text_size : max_program_size);
    return present && *present == text && !is_open_for_writing(path);
}

// Fails (EEXIST) if there is something.
int rename_to_nothing(const fs::path &from, const fs::path &to)
{
    if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL) // a file system that cannot
        return -1;
    return link(from.c_str(), to.c_str()) == 0 ? unlink(from.c_str()) : -1;
}

int exchange(const fs::path &one, const fs::path &other)
{
    return renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
}

// Between a look at a file and a rename over it another may write it. So the two are exchanged, and the
// look is at what has come out: if that is not what was there, it goes back, and the same is asked of what
// comes out then, which should be what was put in before.
Result<void> replace(const FileChange &change, const fs::path &path, const fs::path &temporary)
{
    bool is_ours = true; // what is put in
    std::optional<std::string> expected = change.before;
    auto put_in = change.after;
    for (;;) {
        const int error = exchange(temporary, path) == 0 ? 0 : errno;
        if (error == EINVAL && is_ours) // a file system that cannot
            return rename(temporary.c_str(), path.c_str()) == 0 ? Result<void>()
                                                                : failure("write", path, errno);
        if (error)
            return failure("write", path,
                           error == ENOENT ? "somebody else has removed it meanwhile"
                                           : std::strerror(error));
        if (holds(change, temporary, expected))
            return is_ours ? Result<void>() : failure("write", path, written_meanwhile);
        expected = std::move(put_in);
        put_in = read_file(temporary, max_program_size).value_or(std::nullopt);
        is_ours = false;
    }
}

Result<void> put_in_place(const FileChange &change, const fs::path &path, const fs::path &temporary)
{
    if (!change.before) {
        if (rename_to_nothing(temporary, path) == 0)
            return {};
        return errno == EEXIST ? failure("write", path, written_meanwhile) : failure("write", path, errno);
    }
    if (!holds(change, path, change.before))
        return failure("write", path, written_meanwhile);
    return replace(change, path, temporary);
}

// What a symbolic link points at, which is beside it then.
fs::path resolve(const fs::path &path)
{
    std::error_code error;
    const fs::path target = fs::canonical(path, error);
    return error ? path : target;
}

// Another podrttd has temporary files of the same names.
constexpr const char *lock_holder = "another podrttd changes a file in it";

fs::path temporary_of(const fs::path &path)
{
    return path.string() + ".podrtt-new";
}

Result<void> put_file(const FileChange &change)
{
    const fs::path path = change.source.empty() ? resolve(change.path) : change.path;
    const auto lock = lock_directory(path.parent_path(), lock_holder);
    if (!lock)
        return std::unexpected(lock.error());
    const fs::path temporary = temporary_of(path);
    auto written = write_new(change, path, temporary);
    if (written)
        written = put_in_place(change, path, temporary);
    unlink(temporary.c_str()); // what was there before, or has not got in
    return written;
}

// Out of the way first, and looked at then.
Result<void> remove_file(const FileChange &change)
{
    std::error_code error;
    if (!fs::exists(fs::symlink_status(change.path, error)))
        return {};
    const auto lock = lock_directory(change.path.parent_path(), lock_holder);
    if (!lock)
        return std::unexpected(lock.error());
    const fs::path temporary = temporary_of(change.path);
    if (rename(change.path.c_str(), temporary.c_str()) != 0)
        return errno == ENOENT ? Result<void>() : failure("remove", change.path, errno);
    if (holds(change, temporary, change.before)) {
        unlink(temporary.c_str());
        return {};
    }
    if (rename_to_nothing(temporary, change.path) != 0 && errno == EEXIST)
        unlink(temporary.c_str()); // there is a newer one already
    return failure("remove", change.path, written_meanwhile);
}

struct Lines {
    std::vector<std::string_view> lines;
    bool ends_with_newline = true;
};

Lines lines_of(std::string_view text)
{
    Lines found;
    found.ends_with_newline = text.empty() || text.ends_with('\n');
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        found.lines.push_back(line);
        text.remove_prefix(std::min(text.size(), line.size() + 1));
    }
    return found;
}

// "12,3", as the head of a hunk has it; an empty range begins at 0.
std::string range(std::size_t first, std::size_t count)
{
    return std::to_string(count ? first + 1 : first) + "," + std::to_string(count);
}

// From the first line that differs to the last, as one hunk.
void print_hunk(std::string_view before, std::string_view after, std::ostream &out)
{
    const Lines old_text = lines_of(before), new_text = lines_of(after);
    const auto &olds = old_text.lines, &news = new_text.lines;
    // A last line without its end is another line than one with it.
    const bool same_end = old_text.ends_with_newline == new_text.ends_with_newline;
    const std::size_t shorter = std::min(olds.size(), news.size());
    std::size_t same = 0;
    while (same < shorter && olds[same] == news[same] &&
           (same_end || (same + 1 < olds.size() && same + 1 < news.size())))
        same++;
    std::size_t tail = 0;
    while (same_end && tail < shorter - same &&
           olds[olds.size() - 1 - tail] == news[news.size() - 1 - tail])
        tail++;
    const std::size_t first = same - std::min(same, context_lines);
    const std::size_t trailing = std::min(tail, context_lines);
    const std::size_t old_end = olds.size() - tail, new_end = news.size() - tail;
    out << "@@ -" << range(first, old_end + trailing - first) << " +"
        << range(first, new_end + trailing - first) << " @@\n";
    auto print = [&out](char mark, const Lines &text, std::size_t from, std::size_t to) {
        for (std::size_t i = from; i < to; i++) {
            out << mark << text.lines[i] << '\n';
            if (i + 1 == text.lines.size() && !text.ends_with_newline)
                out << "\\ No newline at end of file\n";
        }
    };
    print(' ', old_text, first, same);
    print('-', old_text, same, old_end);
    print('+', new_text, same, new_end);
    print(' ', old_text, old_end, old_end + trailing);
}

} // namespace

void print_diff(const FileChanges &changes, std::ostream &out)
{
    for (const FileChange &change : changes) {
        if (!change.source.empty()) {
            out << "# " << (change.after ? "copy " + change.source + " to " : "remove ")
                << change.path.string() << '\n';
            continue;
        }
        out << "--- " << (change.before ? change.path.string() : "/dev/null") << "\n+++ "
            << (change.after ? change.path.string() : "/dev/null") << '\n';
        print_hunk(change.before.value_or(""), change.after.value_or(""), out);
    }
}

Result<void> apply_changes(const FileChanges &changes, std::ostream &out)
{
    for (const FileChange &change : changes) {
        auto done = change.after ? put_file(change) : remove_file(change);
        if (!done)
            return done;
        out << (!change.after   ? "removed "
                : change.before ? "changed "
                                : "wrote ")
            << change.path.string() << '\n';
    }
    return {};
}

} // namespace podrtt
