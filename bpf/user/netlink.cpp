// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/netlink.h"

#include <netlink/errno.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

namespace podrtt
{
namespace
{

// Those that callers act on.
int errno_of(int code)
{
    switch (-code) {
    case NLE_EXIST:
        return EEXIST;
    case NLE_OBJ_NOTFOUND:
        return ENOENT;
    case NLE_NODEV:
        return ENODEV;
    case NLE_INVAL:
        return EINVAL;
    case NLE_PERM:
        return EPERM;
    default:
        return 0;
    }
}

} // namespace

std::unexpected<Error> netlink_failure(std::string operation, std::string object, int code)
{
    return std::unexpected(
        Error{std::move(operation), std::move(object), errno_of(code), nl_geterror(code)});
}

Result<Netlink> Netlink::open()
{
    Socket socket(nl_socket_alloc());
    if (!socket)
        return failure("open", "netlink socket", ENOMEM);
    if (int error = nl_connect(socket.get(), NETLINK_ROUTE))
        return netlink_failure("open", "netlink socket", error);
    return Netlink(std::move(socket));
}

int Netlink::request(nl_msg *message)
{
    int sent = nl_send_auto(socket_.get(), message);
    return sent < 0 ? sent : nl_wait_for_ack(socket_.get());
}

std::vector<int> Netlink::request_all(const std::vector<NetlinkMessage> &messages)
{
    std::vector<char> bytes;
    for (const NetlinkMessage &message : messages) {
        nl_complete_msg(socket_.get(), message.get());
        const auto *header = reinterpret_cast<const char *>(nlmsg_hdr(message.get()));
        bytes.insert(bytes.end(), header, header + nlmsg_hdr(message.get())->nlmsg_len);
        bytes.resize(static_cast<std::size_t>(NLMSG_ALIGN(bytes.size())));
    }
    const int sent = nl_sendto(socket_.get(), bytes.data(), bytes.size());
    std::vector<int> codes(messages.size(), std::min(sent, 0));
    if (sent >= 0)
        for (int &code : codes)
            code = nl_wait_for_ack(socket_.get());
    return codes;
}

int Netlink::query(nl_msg *message, const std::function<void(nlmsghdr *)> &each)
{
    int sent = nl_send_auto(socket_.get(), message);
    if (sent < 0)
        return sent;

    using Callbacks = Handle<nl_cb, nl_cb_put>;
    Callbacks usual(nl_socket_get_cb(socket_.get()));
    Callbacks callbacks(nl_cb_clone(usual.get()));
    auto forward = [](nl_msg *answer, void *function) -> int {
        (*static_cast<const std::function<void(nlmsghdr *)> *>(function))(nlmsg_hdr(answer));
        return NL_OK;
    };
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, forward,
              const_cast<std::function<void(nlmsghdr *)> *>(&each));
    int received = nl_recvmsgs(socket_.get(), callbacks.get());
    bool dump = nlmsg_hdr(message)->nlmsg_flags & NLM_F_DUMP;
    // A dump ends with a message that says so, anything else with an acknowledgement.
    return received < 0 || dump ? received : nl_wait_for_ack(socket_.get());
}

Result<Link> Netlink::link(int ifindex)
{
    rtnl_link *link = nullptr;
    if (int error = rtnl_link_get_kernel(socket_.get(), ifindex, nullptr, &link))
        return netlink_failure("find interface", std::to_string(ifindex), error);
    return Link(link);
}

Result<Link> Netlink::link(const std::string &name)
{
    rtnl_link *link = nullptr;
    if (int error = rtnl_link_get_kernel(socket_.get(), 0, name.c_str(), &link))
        return netlink_failure("find interface", name, error);
    return Link(link);
}

std::uint64_t Netlink::namespace_cookie() const
{
    std::uint64_t cookie = 0;
    socklen_t size = sizeof(cookie);
    const int failed =
        getsockopt(nl_socket_get_fd(socket_.get()), SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size);
    return failed ? 0 : cookie;
}

} // namespace podrtt
