// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netlink/netlink.h>

#include <set>

#include "bpf/user/error.h"
#include "bpf/user/handle.h"

namespace podrtt
{

// Changes to interfaces, their qdiscs and their filters, as the kernel reports them (rtnetlink),
// in the network namespace that the calling thread was in when it was opened. Not
// thread-safe.
class LinkEvents
{
public:
    struct Changes {
        std::set<int> interfaces; // by ifindex
        bool overrun = false;     // some were lost: anything may have changed
    };

    static Result<LinkEvents> open();

    // Readable when there is something to take.
    int fd() const { return nl_socket_get_fd(socket_.get()); }

    // All that has come, without waiting.
    Changes take();

private:
    using Socket = Handle<nl_sock, nl_socket_free>;

    explicit LinkEvents(Socket socket) : socket_(std::move(socket)) {}

    Socket socket_;
};

} // namespace podrtt
