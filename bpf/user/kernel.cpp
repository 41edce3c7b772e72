// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/kernel.h"

#include <sys/utsname.h>

#include <cstdio>
#include <ctime>
#include <utility>

namespace podrtt
{

std::string kernel_release()
{
    utsname name = {};
    return uname(&name) == 0 ? name.release : "";
}

bool is_new_enough(const std::string &release)
{
    unsigned major = 0, minor = 0;
    return std::sscanf(release.c_str(), "%u.%u", &major, &minor) != 2 ||
           std::pair(major, minor) >= std::pair(5u, 15u);
}

std::chrono::nanoseconds jiffy()
{
    timespec tick = {};
    clock_getres(CLOCK_MONOTONIC_COARSE, &tick);
    return std::chrono::nanoseconds(tick.tv_nsec);
}

} // namespace podrtt
