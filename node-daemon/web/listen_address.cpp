// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/listen_address.h"

#include <netdb.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstdint>

#include "bpf/user/handle.h"

namespace podrtt
{
namespace
{

using AddressList = Handle<addrinfo, freeaddrinfo>;

bool is_port(const std::string &text)
{
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    return error == std::errc() && end == text.data() + text.size() && port != 0;
}

Result<Fd> listen_on_host(const ListenAddress &address)
{
    const std::string shown = address.text();
    addrinfo hints = {};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (const int code = getaddrinfo(address.host.c_str(), address.port.c_str(), &hints, &found); code != 0)
        return failure("listen on", shown, gai_strerror(code));
    const AddressList addresses(found);
    Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1, no = 0;
    if (fd && found->ai_family == AF_INET6)
        setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &no,
                   sizeof(no)); // the node's default may be otherwise
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), SOMAXCONN) != 0)
        return failure("listen on", shown, errno);
    return fd;
}

} // namespace

std::string ListenAddress::text() const
{
    return (host.contains(':') ? "[" + host + "]" : host) + ":" + port;
}

Result<ListenAddress> parse_listen_address(const std::string &text)
{
    const std::size_t colon = text.rfind(':');
    ListenAddress address = {.host = text.substr(0, colon),
                             .port = colon == std::string::npos ? "" : text.substr(colon + 1)};
    const bool bracketed = address.host.starts_with('[') && address.host.ends_with(']');
    if (bracketed)
        address.host = address.host.substr(1, address.host.size() - 2);
    if (colon == std::string::npos || (bracketed && address.host.empty()) ||
        (!bracketed && address.host.contains(':')))
        return failure("listen on", text,
                       "it must be HOST:PORT, [HOST]:PORT or :PORT, for example 127.0.0.1:9435");
    if (!is_port(address.port))
        return failure("listen on", text, "the port must be a number from 1 to 65535");
    return address;
}

Result<Fd> listen_on(const ListenAddress &address)
{
    if (!address.host.empty() && address.host != "::")
        return listen_on_host(address);
    auto fd = listen_on_host({"::", address.port});
    if (!fd && fd.error().code != EADDRINUSE) // a node without IPv6
        return listen_on_host({"0.0.0.0", address.port});
    return fd;
}

} // namespace podrtt
