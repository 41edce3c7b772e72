// SPDX-License-Identifier: Apache-2.0
#include "lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace podrtt
{

Result<Fd> lock_directory(const std::string &directory, const std::string &holder)
{
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error)
        return failure("create directory", directory, error.value());
    Fd fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd)
        return failure("open directory", directory, errno);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
        return failure("lock directory", directory,
                       errno == EWOULDBLOCK ? holder : std::string(std::strerror(errno)));
    return fd;
}

} // namespace podrtt
