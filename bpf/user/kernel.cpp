// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/kernel.h"

#include <linux/capability.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <fstream>
#include <utility>

namespace podrtt
{

Kernel Kernel::running()
{
    utsname name = {};
    uname(&name);
    return {name.release, name.machine, access("/sys/kernel/btf/vmlinux", F_OK) == 0};
}

std::string missing_from(const Kernel &kernel)
{
    // The JIT of arm64 had no atomic operations before.
    const bool is_arm = kernel.machine == "aarch64";
    const auto needed = is_arm ? std::pair(5u, 18u) : std::pair(5u, 15u);
    unsigned major = 0, minor = 0;
    if (std::sscanf(kernel.release.c_str(), "%u.%u", &major, &minor) == 2 &&
        std::pair(major, minor) < needed)
        return "podrtt needs Linux " + std::to_string(needed.first) + "." + std::to_string(needed.second) +
               " or later" + (is_arm ? " on arm64" : "") + ", this is " + kernel.release;
    if (!kernel.has_btf)
        return "podrtt needs a kernel with BTF (CONFIG_DEBUG_INFO_BTF), and there is no "
               "/sys/kernel/btf/vmlinux";
    return "";
}

bool has_capability(int capability)
{
    std::uint64_t effective = 0;
    std::ifstream file("/proc/self/status");
    for (std::string word; file >> word;)
        if (word == "CapEff:")
            file >> std::hex >> effective;
    return effective >> capability & 1;
}

std::string missing_capabilities()
{
    std::string missing;
    for (const auto &[capability, name] :
         {std::pair(CAP_BPF, "CAP_BPF"), std::pair(CAP_NET_ADMIN, "CAP_NET_ADMIN"),
          std::pair(CAP_PERFMON, "CAP_PERFMON")})
        if (!has_capability(capability))
            missing += (missing.empty() ? "" : ", ") + std::string(name);
    return missing;
}

std::string apparmor_profile(const std::string &attribute)
{
    std::ifstream file(attribute);
    std::string profile;
    std::getline(file, profile);
    return profile.ends_with(" (enforce)") ? profile.substr(0, profile.size() - 10) : "";
}

std::string node_name()
{
    utsname name = {};
    return uname(&name) == 0 ? name.nodename : "";
}

std::chrono::nanoseconds jiffy()
{
    timespec tick = {};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return std::chrono::nanoseconds(tick.tv_nsec);
}

} // namespace podrtt
