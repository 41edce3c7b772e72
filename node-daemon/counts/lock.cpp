// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace podrtt
{

namespace
{

Result<Fd> lock(const std::string &directory, int how, const std::string &holder)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return failure("create directory", directory, error.value());
    Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return failure("open directory", directory, errno);
    if (flock(fd.get(), how | LOCK_NB) != 0)
        return failure("lock directory", directory,
                       errno == EWOULDBLOCK ? holder : std::string(std::strerror(errno)));
    return fd;
}

} // namespace

Result<Fd> lock_directory(const std::string &directory, const std::string &holder)
{
    return lock(directory, LOCK_EX, holder);
}

Result<Fd> share_directory(const std::string &directory, const std::string &holder)
{
    return lock(directory, LOCK_SH, holder);
}

bool is_last_to_share(const Fd &lock)
{
    return flock(lock.get(), LOCK_EX | LOCK_NB) == 0;
}

bool is_directory_locked(const std::string &directory)
{
    struct stat status = {};
    if (stat(directory.c_str(), &status) != 0)
        return false;
    // "1: FLOCK  ADVISORY  WRITE 1234 00:1f:5678 0 EOF" (proc(5))
    const std::string file =
        fmt::format(" {:02x}:{:02x}:{} ", major(status.st_dev), minor(status.st_dev), status.st_ino);
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);)
        if (line.find(": FLOCK ") != std::string::npos && line.find(file) != std::string::npos)
            return true;
    return false;
}

} // namespace podrtt
