// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// A network namespace, held open: it lives at least as long as this.
class Netns
{
public:
    static Result<Netns> open(const std::string &path); // e.g. CNI_NETNS
    static Result<Netns> current();                     // that of the calling thread

    // Whether `path` is the network namespace of the calling thread; not if it is none at all.
    static bool is_current(const std::string &path);

    int fd() const { return fd_.get(); }
    const std::string &path() const { return path_; }

private:
    Netns(Fd fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

    Fd fd_;
    std::string path_;
};

// Puts the calling thread into another network namespace, and back when it is
// destroyed, which must happen on the same thread.
class NetnsGuard
{
public:
    static Result<NetnsGuard> enter(const Netns &netns);

    NetnsGuard(NetnsGuard &&) = default;
    NetnsGuard &operator=(NetnsGuard &&) = delete;
    ~NetnsGuard();

private:
    explicit NetnsGuard(Netns previous) : previous_(std::move(previous)) {}

    Netns previous_;
};

} // namespace podrtt
