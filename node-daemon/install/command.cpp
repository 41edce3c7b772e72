// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/command.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>

#include "bpf/user/fd.h"

namespace podrtt
{
namespace
{

using Clock = std::chrono::steady_clock;

constexpr std::size_t most_output = 65536;

// A file in memory, so that nobody has to write while the other reads.
Fd file_of(const std::string &text)
{
    Fd fd(memfd_create("input", MFD_CLOEXEC));
    if (fd && (write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
               lseek(fd.get(), 0, SEEK_SET) != 0))
        return Fd();
    return fd;
}

std::vector<char *> pointers(const std::vector<std::string> &texts)
{
    std::vector<char *> found;
    for (const auto &text : texts)
        found.push_back(const_cast<char *>(text.c_str())); // NOLINT: posix_spawn() only reads
    found.push_back(nullptr);
    return found;
}

// With no signal blocked, as a runtime starts it; ours are.
Result<pid_t> start(const Command &command, int input, int output)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&files);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, output, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    pid_t child = 0;
    const int error = posix_spawn(&child, command.arguments.front().c_str(), &files, &attributes,
                                  pointers(command.arguments).data(), pointers(command.environment).data());
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return error ? failure("run", command.arguments.front(), error) : Result<pid_t>(child);
}

void read_some(int fd, std::string &text)
{
    char buffer[4096];
    for (ssize_t length = 0; (length = read(fd, buffer, sizeof(buffer))) > 0;)
        text.append(buffer, std::min(static_cast<std::size_t>(length), most_output - text.size()));
}

// Reads what comes until the process ends; false when the deadline comes first.
bool read_until_end(pid_t child, int output, Clock::time_point deadline, std::string &text)
{
    const Fd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    pollfd waiting[] = {{process.get(), POLLIN, 0}, {output, POLLIN, 0}};
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        const int ready = poll(waiting, 2, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        read_some(output, text);
        if (waiting[0].revents)
            return true;
        if (waiting[1].revents & POLLHUP)
            waiting[1].fd = -1; // closed; it may go on all the same
    }
}

} // namespace

Result<std::string> run_command(const Command &command, std::chrono::milliseconds deadline)
{
    const auto end = Clock::now() + deadline;
    const std::string &path = command.arguments.front();
    const Fd input = file_of(command.input);
    int ends[2];
    if (!input || pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return failure("run", path, errno);
    const Fd reading(ends[0]);
    Fd writing(ends[1]);
    fcntl(writing.get(), F_SETFL, 0); // the program's own end blocks
    auto child = start(command, input.get(), writing.get());
    writing = Fd();
    if (!child)
        return std::unexpected(child.error());

    std::string text;
    const bool ended = read_until_end(*child, reading.get(), end, text);
    if (!ended)
        kill(*child, SIGKILL);
    int status = 0;
    while (waitpid(*child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!ended)
        return failure("run", path, ETIMEDOUT);
    if (WIFSIGNALED(status))
        return failure("run", path, "it was ended by signal " + std::to_string(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return failure("run", path, "it ended with status " + std::to_string(WEXITSTATUS(status)));
    return text;
}

} // namespace podrtt
