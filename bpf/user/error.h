// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How podrtt reports errors.
//
// Functions that can fail return Result<T>; nothing throws. An Error names what was
// tried, on what, and why it failed, so that its message stands alone in a log:
//
//     return failure("open pinned map", path, errno);
//
// A caller that cannot go on without the value passes the error up unchanged:
//
//     auto map = Map::open(path);
//     if (!map)
//         return std::unexpected(map.error());
//
// Only the executables decide what an error means and write it to a log.
#pragma once

#include <cstring>
#include <expected>
#include <string>
#include <utility>

namespace podrtt
{

struct Error {
    std::string operation; // what was tried: "open pinned map"
    std::string object;    // on what: "/sys/fs/bpf/podrtt/v1/pods"
    int code = 0;          // errno, or 0 if the reason is none
    std::string reason;    // why
    std::string detail{};  // what a library says of it, in any number of lines

    bool operator==(const Error &) const = default;
    std::string message() const { return operation + " " + object + ": " + reason; }
};

template <typename T>
using Result = std::expected<T, Error>;

// `code` is a positive errno.
inline std::unexpected<Error> failure(std::string operation, std::string object, int code)
{
    return std::unexpected(Error{std::move(operation), std::move(object), code, std::strerror(code)});
}

inline std::unexpected<Error> failure(std::string operation, std::string object, std::string reason)
{
    return std::unexpected(Error{std::move(operation), std::move(object), 0, std::move(reason)});
}

} // namespace podrtt
