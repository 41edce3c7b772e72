// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/peer_classes.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netlink/addr.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <map>
#include <string_view>
#include <tuple>

#include "bpf/user/fd.h"
#include "bpf/user/handle.h"

namespace podrtt
{
namespace
{

using Address = Handle<nl_addr, nl_addr_put>;
using Interfaces = Handle<ifaddrs, freeifaddrs>;

constexpr const char *internet = "internet";
constexpr std::array<std::uint8_t, 12> v4_mapped_prefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr unsigned v4_mapped_bits = 96;

const in_addr &ipv4_of(const sockaddr &address)
{
    return reinterpret_cast<const sockaddr_in &>(address).sin_addr;
}

const in6_addr &ipv6_of(const sockaddr &address)
{
    return reinterpret_cast<const sockaddr_in6 &>(address).sin6_addr;
}

const void *address_of(const sockaddr &address)
{
    return address.sa_family == AF_INET ? static_cast<const void *>(&ipv4_of(address)) : &ipv6_of(address);
}

// By the name of its driver.
bool is_dummy(const Fd &socket, const char *name)
{
    ethtool_drvinfo driver = {};
    driver.cmd = ETHTOOL_GDRVINFO;
    ifreq request = {};
    std::string_view(name).copy(request.ifr_name, sizeof(request.ifr_name) - 1);
    request.ifr_data = reinterpret_cast<char *>(&driver);
    return ioctl(socket.get(), SIOCETHTOOL, &request) == 0 && std::string_view(driver.driver) == "dummy";
}

// Loopback and link-local addresses say nothing of who has them.
bool is_of_the_node(const sockaddr &address)
{
    if (address.sa_family == AF_INET) {
        const std::uint32_t ip = ntohl(ipv4_of(address).s_addr);
        return ip >> 24 != IN_LOOPBACKNET && ip >> 16 != 0xa9fe; // 169.254.0.0/16
    }
    return address.sa_family == AF_INET6 && !IN6_IS_ADDR_LOOPBACK(&ipv6_of(address)) &&
           !IN6_IS_ADDR_LINKLOCAL(&ipv6_of(address));
}

bool is_class_name(const std::string &name)
{
    auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
    return !name.empty() && name.size() < PODRTT_PEER_NAME_SIZE && is_letter(name.front()) &&
           std::ranges::all_of(
               name,
               [&](char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-'; });
}

bool is_zero_beyond(const podrtt_peer_key &key)
{
    for (unsigned bit = key.prefix_len; bit < 8 * sizeof(key.address); bit++)
        if (key.address[bit / 8] & (0x80u >> bit % 8))
            return false;
    return true;
}

auto order(const podrtt_peer_key &key)
{
    return std::tuple(key.prefix_len, std::to_array(key.address));
}

struct LessKey {
    bool operator()(const podrtt_peer_key &a, const podrtt_peer_key &b) const
    {
        return order(a) < order(b);
    }
};

} // namespace

Result<PeerPrefix> parse_peer(const std::string &text)
{
    auto refuse = [&text](const std::string &reason) {
        return failure("read peer class", '"' + text + '"', reason);
    };

    std::size_t equals = text.find('=');
    if (equals == std::string::npos)
        return refuse("expected NAME=CIDR, for example redis=10.1.2.0/24");
    PeerPrefix prefix = {text.substr(0, equals), {}};
    if (!is_class_name(prefix.name))
        return refuse("the name must begin with a-z, hold only a-z, 0-9, _ and -, and be at most " +
                      std::to_string(PODRTT_PEER_NAME_SIZE - 1) + " characters long");

    const std::string cidr = text.substr(equals + 1);
    const bool v4 = !cidr.contains(':');
    const unsigned bits = v4 ? 32 : 128;
    const bool numeric = cidr.find_first_not_of("0123456789abcdefABCDEF.:/") == std::string::npos;
    nl_addr *parsed = nullptr;
    // It takes longer prefixes than there are, and words.
    if (!numeric || nl_addr_parse(cidr.c_str(), v4 ? AF_INET : AF_INET6, &parsed) != 0 ||
        nl_addr_get_prefixlen(parsed) > bits) {
        nl_addr_put(parsed);
        return refuse("\"" + cidr + "\" is not an " + (v4 ? "IPv4" : "IPv6") +
                      " network with a prefix length from 0 to " + std::to_string(bits));
    }
    const Address address(parsed);
    if (v4)
        std::ranges::copy(v4_mapped_prefix, prefix.key.address);
    std::memcpy(prefix.key.address + (v4 ? v4_mapped_prefix.size() : 0),
                nl_addr_get_binary_addr(address.get()), nl_addr_get_len(address.get()));
    prefix.key.prefix_len = nl_addr_get_prefixlen(address.get()) + (v4 ? v4_mapped_bits : 0);
    if (!is_zero_beyond(prefix.key))
        return refuse("the address has bits set beyond the prefix length");
    return prefix;
}

std::vector<PeerPrefix> default_peers()
{
    std::vector<PeerPrefix> prefixes;
    for (const char *cidr : {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10",
                             "169.254.0.0/16", "127.0.0.0/8", "fc00::/7", "fe80::/10", "::1/128"})
        prefixes.push_back(*parse_peer(std::string("private=") + cidr));
    return prefixes;
}

bool PeerPrefix::operator==(const PeerPrefix &other) const
{
    return name == other.name && order(key) == order(other.key);
}

Result<std::vector<PeerPrefix>> node_peers()
{
    std::vector<PeerPrefix> prefixes;
    ifaddrs *found = nullptr;
    const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket || getifaddrs(&found) != 0)
        return failure("read", "addresses of the node", errno);
    const Interfaces interfaces(found);
    for (const ifaddrs *at = found; at; at = at->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";
        if (!at->ifa_addr || !is_of_the_node(*at->ifa_addr) ||
            !inet_ntop(at->ifa_addr->sa_family, address_of(*at->ifa_addr), text, sizeof(text)) ||
            is_dummy(socket, at->ifa_name))
            continue;
        if (auto prefix = parse_peer(std::string("node=") + text);
            prefix && std::ranges::find(prefixes, *prefix) == prefixes.end())
            prefixes.push_back(std::move(*prefix));
    }
    return prefixes;
}

Result<std::uint32_t> peer_index(Maps &maps, const std::string &name)
{
    auto names = peer_names(maps);
    if (!names)
        return std::unexpected(names.error());
    auto index = std::ranges::find(*names, name);
    if (index == names->end()) {
        index = std::ranges::find(*names, "");
        if (index == names->end())
            return failure("add peer class", name,
                           "there are " + std::to_string(PODRTT_MAX_PEERS) +
                               " already, as many as there can be");
        PeerName stored = {};
        name.copy(stored.data(), stored.size() - 1);
        if (auto written =
                maps.peer_names.update(static_cast<std::uint32_t>(index - names->begin()), stored);
            !written)
            return std::unexpected(written.error());
    }
    return static_cast<std::uint32_t>(index - names->begin());
}

Result<void> set_peers(Maps &maps, const std::vector<PeerPrefix> &prefixes)
{
    if (auto first = peer_index(maps, internet); !first)
        return std::unexpected(first.error());

    std::map<podrtt_peer_key, std::uint32_t, LessKey> wanted;
    for (const auto &prefix : prefixes) {
        auto index = peer_index(maps, prefix.name);
        if (!index)
            return std::unexpected(index.error());
        wanted[prefix.key] = *index;
    }
    if (wanted.size() > PODRTT_MAX_PEER_PREFIXES)
        return failure("set", "peer classes",
                       std::to_string(wanted.size()) + " prefixes, but at most " +
                           std::to_string(PODRTT_MAX_PEER_PREFIXES) + " can be");

    auto present = maps.peers.keys();
    if (!present)
        return std::unexpected(present.error());
    for (const auto &key : *present)
        if (!wanted.contains(key))
            if (auto erased = maps.peers.erase(key); !erased)
                return erased;
    for (const auto &[key, index] : wanted)
        if (auto written = maps.peers.update(key, index); !written)
            return written;
    return {};
}

Result<std::vector<std::string>> peer_names(const Maps &maps)
{
    std::vector<std::string> names;
    for (std::uint32_t index = 0; index < PODRTT_MAX_PEERS; index++) {
        auto name = maps.peer_names.lookup(index);
        if (!name)
            return std::unexpected(name.error());
        names.emplace_back(*name ? (*name)->data() : "");
    }
    return names;
}

std::string peer_name(const std::vector<std::string> &names, std::uint32_t index)
{
    return index < names.size() && !names[index].empty() ? names[index] : std::to_string(index);
}

} // namespace podrtt
