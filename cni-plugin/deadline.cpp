// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/deadline.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <string>

#include "bpf/user/fd.h"

namespace podrtt::cni
{
namespace
{

using Clock = std::chrono::steady_clock;

[[noreturn]] void run_child(const std::function<Result<void>()> &work, int report)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (null < 0 || dup2(null, standard) < 0)
            close(standard);

    auto result = work();
    if (result)
        _exit(0);
    const auto &error = result.error();
    const std::string text = std::to_string(error.code) + ' ' + error.message();
    ssize_t written = write(report, text.data(), text.size());
    _exit(written < 0 ? 2 : 1);
}

// Reads until the other end is closed; false when the deadline comes first.
bool read_until(Clock::time_point deadline, int fd, std::string &text)
{
    for (;;) {
        auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
        pollfd poll_fd = {fd, POLLIN, 0};
        int ready = poll(&poll_fd, 1, static_cast<int>(std::max<std::int64_t>(0, left.count())));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        char buffer[1024];
        ssize_t length = read(fd, buffer, sizeof(buffer));
        if (length <= 0)
            return true;
        text.append(buffer, static_cast<std::size_t>(length));
    }
}

// What the child has written.
Error read_report(const std::string &text)
{
    Error error = {"instrument", "pod", 0, text};
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), error.code);
    if (failed == std::errc() && end != text.data() + text.size())
        error.reason = end + 1;
    return error;
}

} // namespace

Result<void> within(std::chrono::milliseconds deadline, const std::function<Result<void>()> &work)
{
    const auto end = Clock::now() + deadline;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return failure("start", "child process", errno);
    Fd reading(ends[0]);
    Fd writing(ends[1]);
    pid_t child = fork();
    if (child < 0)
        return failure("start", "child process", errno);
    if (child == 0)
        run_child(work, writing.get());
    writing = Fd();

    std::string message;
    if (!read_until(end, reading.get(), message)) {
        kill(child, SIGKILL);
        return std::unexpected(
            Error{"finish", "child process", ETIMEDOUT,
                  "the deadline of " + std::to_string(deadline.count()) + " ms has passed"});
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status))
        return failure("finish", "child process",
                       "it was ended by signal " + std::to_string(WTERMSIG(status)));
    if (WEXITSTATUS(status) != 0)
        return std::unexpected(read_report(message));
    return {};
}

} // namespace podrtt::cni
