// SPDX-License-Identifier: Apache-2.0
//
// Peer classes: names for the networks that the other ends of connections are in.
#pragma once

#include <string>
#include <vector>

#include "bpf/user/error.h"
#include "node-daemon/counts/maps.h"

namespace podrtt
{

struct PeerPrefix {
    std::string name;    // of the class
    podrtt_peer_key key; // the prefix that belongs to it

    bool operator==(const PeerPrefix &other) const;
};

// "NAME=CIDR", IPv4 or IPv6. Bits beyond the prefix must be zero.
Result<PeerPrefix> parse_peer(const std::string &text);

// "private": RFC 1918, RFC 6598, unique-local, link-local and loopback addresses. All
// that no prefix covers is "internet".
std::vector<PeerPrefix> default_peers();

// "node": the addresses of the network namespace that the caller is in, from which kubelet's probes come,
// and scrapes; without loopback and link-local ones, and those of dummy interfaces, which hold addresses of
// services (kube-ipvs0).
Result<std::vector<PeerPrefix>> node_peers();

// The index of a class in peer_names, to which it is added if it is new.
Result<std::uint32_t> peer_index(Maps &maps, const std::string &name);

// Makes these the prefixes in force for flows that begin from now on. For one prefix
// given twice, the last name counts. A class keeps the index that it has ever had.
Result<void> set_peers(Maps &maps, const std::vector<PeerPrefix> &prefixes);

// Names by index; those of unused indices are empty.
Result<std::vector<std::string>> peer_names(const Maps &maps);

// Of these. An index without a name cannot be, unless another has written the map: it stands for itself.
std::string peer_name(const std::vector<std::string> &names, std::uint32_t index);

} // namespace podrtt
