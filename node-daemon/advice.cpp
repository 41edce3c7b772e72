// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/advice.h"

#include <cerrno>

#include "bpf/user/kernel.h"

namespace podrtt
{
namespace
{

bool reads_pins(Subcommand subcommand)
{
    return subcommand == Subcommand::top || subcommand == Subcommand::stream ||
           subcommand == Subcommand::status;
}

} // namespace

std::string advice_on(const Error &error, Subcommand subcommand)
{
    const bool refused = error.code == EACCES || error.code == EPERM;
    if (const auto missing = missing_capabilities(); refused && !missing.empty())
        return "run it as root, or with " + missing;
    if (const auto profile = apparmor_profile(); refused && !profile.empty())
        return "AppArmor confines podrttd by the profile " + profile +
               ", which may be why: run it unconfined, as manifests/base does";
    if (error.code == ENOENT && reads_pins(subcommand))
        return "no podrttd has run on this node, or it has another --pin-path: start podrttd run";
    if (error.code == EADDRINUSE && subcommand == Subcommand::run)
        return "something else listens there: --listen takes another address";
    if (!error.detail.empty())
        return "--log-level debug shows what libbpf says of it";
    return "";
}

} // namespace podrtt
