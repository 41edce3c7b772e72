// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/file_change.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>

#include "bpf/user/fd.h"
#include "bpf/user/file.h"

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

// A new file beside `path`, under a name that no runtime reads, synced.
Result<void> write_beside(const FileChange &change, const fs::path &temporary)
{
    struct stat present = {};
    const bool exists = stat(change.path.c_str(), &present) == 0;
    unlink(temporary.c_str()); // of an earlier run, or a link that somebody has put there
    const Fd fd(open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!fd)
        return failure("write", temporary, errno);
    if (fchmod(fd.get(), exists ? present.st_mode & 07777 : change.mode) != 0 ||
        (exists && fchown(fd.get(), present.st_uid, present.st_gid) != 0) ||
        !write_all(fd.get(), *change.after) || fsync(fd.get()) != 0)
        return failure("write", change.path, errno);
    return {};
}

Result<void> is_unchanged(const FileChange &change)
{
    auto present = read_file(change.path, change.source.empty() ? max_text_size : max_program_size);
    if (!present)
        return std::unexpected(present.error());
    if (*present != change.before)
        return failure("write", change.path, "somebody else has written it meanwhile");
    return {};
}

Result<void> put_file(const FileChange &change)
{
    std::error_code error;
    fs::create_directories(change.path.parent_path(), error);
    if (error)
        return failure("create directory", change.path.parent_path(), error.value());
    const fs::path temporary = change.path.string() + ".podrtt-new";
    auto written = write_beside(change, temporary);
    if (written)
        written = is_unchanged(change);
    if (written && rename(temporary.c_str(), change.path.c_str()) != 0)
        written = failure("write", change.path, errno);
    if (!written)
        unlink(temporary.c_str());
    return written;
}

Result<void> remove_file(const fs::path &path)
{
    if (unlink(path.c_str()) != 0 && errno != ENOENT)
        return failure("remove", path, errno);
    return {};
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
        auto done = change.after ? put_file(change) : remove_file(change.path);
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
