// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "bpf/user/fd.h"

namespace podrtt
{

Result<std::optional<std::string>> read_file(const std::filesystem::path &path, std::size_t max_size)
{
    auto refuse = [&path](int code, std::string reason) {
        return std::unexpected(Error{"read", path, code, std::move(reason)});
    };
    // Opening a device may do something; only then may it be opened that it is none.
    struct stat status = {};
    if (stat(path.c_str(), &status) != 0 && errno == ENOENT)
        return std::nullopt;
    if (status.st_mode && !S_ISREG(status.st_mode))
        return refuse(EINVAL, "it is no regular file");
    const Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    if (!fd && errno == ENOENT)
        return std::nullopt;
    if (!fd || fstat(fd.get(), &status) != 0)
        return failure("read", path, errno);
    if (!S_ISREG(status.st_mode))
        return refuse(EINVAL, "it is no regular file");

    std::string text;
    for (;;) {
        char buffer[1 << 14];
        const ssize_t length = read(fd.get(), buffer, sizeof(buffer));
        if (length < 0)
            return failure("read", path, errno);
        if (length == 0)
            return text;
        text.append(buffer, static_cast<std::size_t>(length));
        if (text.size() > max_size)
            return refuse(EFBIG, "it is larger than " + std::to_string(max_size) + " bytes");
    }
}

} // namespace podrtt
