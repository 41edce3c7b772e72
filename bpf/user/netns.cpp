// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/netns.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

namespace podrtt
{

Result<Netns> Netns::open(const std::string &path)
{
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd)
        return failure("open network namespace", path, errno);
    return Netns(std::move(fd), path);
}

Result<Netns> Netns::current()
{
    return open("/proc/thread-self/ns/net");
}

bool Netns::is_current(const std::string &path)
{
    struct stat own, other;
    return stat("/proc/thread-self/ns/net", &own) == 0 && stat(path.c_str(), &other) == 0 &&
           own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

Result<NetnsGuard> NetnsGuard::enter(const Netns &netns)
{
    auto previous = Netns::current();
    if (!previous)
        return std::unexpected(previous.error());
    if (setns(netns.fd(), CLONE_NEWNET) != 0)
        return failure("enter network namespace", netns.path(), errno);
    return NetnsGuard(std::move(*previous));
}

NetnsGuard::~NetnsGuard()
{
    // A thread that went on in the wrong namespace would change the wrong devices.
    if (previous_.fd() >= 0 && setns(previous_.fd(), CLONE_NEWNET) != 0)
        std::abort();
}

} // namespace podrtt
