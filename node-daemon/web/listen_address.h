// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// As Prometheus' exporters take it: HOST:PORT, [HOST]:PORT for IPv6, or :PORT for all addresses of the
// node.
struct ListenAddress {
    std::string host; // empty: all addresses, of IPv6 and of IPv4
    std::string port; // 1 to 65535

    bool operator==(const ListenAddress &) const = default;
    std::string text() const;
};

Result<ListenAddress> parse_listen_address(const std::string &text);

// A listening socket. [::] takes clients of IPv4, too, and so does all addresses, where there may be no
// IPv6.
Result<Fd> listen_on(const ListenAddress &address);

} // namespace podrtt
