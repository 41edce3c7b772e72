// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>

#include <functional>
#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/handle.h"

namespace podrtt
{

// libnl numbers errors its own way, as negative numbers; the Error has the errno, where there is one.
std::unexpected<Error> netlink_failure(std::string operation, std::string object, int code);

using NetlinkMessage = Handle<nl_msg, nlmsg_free>;
using Link = Handle<rtnl_link, rtnl_link_put>;

// A route netlink socket in the network namespace that the calling thread was in when
// it was opened. Not thread-safe.
class Netlink
{
public:
    static Result<Netlink> open();

    // Sends a request and waits for the kernel's acknowledgement. Returns 0 or a
    // negative libnl code: callers expect some of them.
    int request(nl_msg *message);

    // Sends requests at once, so that the kernel works on one right after the other. Returns what
    // request() would for each.
    std::vector<int> request_all(const std::vector<NetlinkMessage> &messages);

    // Sends a request for data (a dump, if so flagged) and calls `each` for every answer.
    int query(nl_msg *message, const std::function<void(nlmsghdr *)> &each);

    Result<Link> link(int ifindex);
    Result<Link> link(const std::string &name);

    // Of the socket's network namespace: a number that no other namespace gets, ever
    // (SO_NETNS_COOKIE, Linux 5.14); 0 if the kernel does not tell.
    std::uint64_t namespace_cookie() const;

    nl_sock *socket() const { return socket_.get(); }

private:
    using Socket = Handle<nl_sock, nl_socket_free>;

    explicit Netlink(Socket socket) : socket_(std::move(socket)) {}

    Socket socket_;
};

} // namespace podrtt
