// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/link_events.h"

#include <linux/rtnetlink.h>
#include <netlink/msg.h>

#include <cerrno>

#include "bpf/user/netlink.h"

namespace podrtt
{
namespace
{

constexpr int buffer_size = 1 << 20; // thousands of messages: a node that starts all its pods

int note_change(nl_msg *message, void *changes)
{
    auto &interfaces = static_cast<LinkEvents::Changes *>(changes)->interfaces;
    nlmsghdr *header = nlmsg_hdr(message);
    switch (header->nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
        interfaces.insert(static_cast<const ifinfomsg *>(nlmsg_data(header))->ifi_index);
        break;
    case RTM_NEWQDISC:
    case RTM_DELQDISC:
    case RTM_NEWTFILTER:
    case RTM_DELTFILTER:
    case RTM_NEWCHAIN:
    case RTM_DELCHAIN:
        interfaces.insert(static_cast<const tcmsg *>(nlmsg_data(header))->tcm_ifindex);
        break;
    default:
        break;
    }
    return NL_OK;
}

} // namespace

Result<LinkEvents> LinkEvents::open()
{
    Socket socket(nl_socket_alloc());
    if (!socket)
        return failure("open", "netlink socket for events", ENOMEM);
    nl_socket_disable_seq_check(socket.get());
    int error = nl_connect(socket.get(), NETLINK_ROUTE);
    if (error == 0)
        error = nl_socket_set_buffer_size(socket.get(), buffer_size, 0);
    if (error == 0)
        error = nl_socket_add_memberships(socket.get(), RTNLGRP_LINK, RTNLGRP_TC, 0);
    if (error == 0)
        error = nl_socket_set_nonblocking(socket.get());
    if (error != 0)
        return netlink_failure("open", "netlink socket for events", error);
    return LinkEvents(std::move(socket));
}

LinkEvents::Changes LinkEvents::take()
{
    Changes changes;
    nl_socket_modify_cb(socket_.get(), NL_CB_VALID, NL_CB_CUSTOM, note_change, &changes);
    int error = 0;
    while ((error = nl_recvmsgs_default(socket_.get())) >= 0)
        ;
    changes.overrun = error != -NLE_AGAIN;
    return changes;
}

} // namespace podrtt
