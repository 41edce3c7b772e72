// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <ctime>
#include <map>
#include <string>

namespace podrtt
{
namespace
{

std::map<std::string, double> values()
{
    std::map<std::string, double> found;
    for (const auto &family : process_families())
        found[family.name] = family.type == prometheus::MetricType::Counter
                                 ? family.metric.at(0).counter.value
                                 : family.metric.at(0).gauge.value;
    return found;
}

TEST(Process, SaysWhatTheKernelSaysElsewhere)
{
    const auto found = values();
    timespec cpu, now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    clock_gettime(CLOCK_REALTIME, &now);
    EXPECT_NEAR(found.at("process_cpu_seconds_total"),
                static_cast<double>(cpu.tv_sec) + static_cast<double>(cpu.tv_nsec) * 1e-9, 0.1);
    EXPECT_LE(found.at("process_start_time_seconds"), static_cast<double>(now.tv_sec) + 2);
    EXPECT_GT(found.at("process_start_time_seconds"), static_cast<double>(now.tv_sec) - 600);
    EXPECT_GT(found.at("process_resident_memory_bytes"), 1e6);
    EXPECT_GT(found.at("process_virtual_memory_bytes"), found.at("process_resident_memory_bytes"));
    EXPECT_EQ(found.at("process_max_fds"), static_cast<double>(sysconf(_SC_OPEN_MAX)));
}

TEST(Process, CountsFileDescriptors)
{
    const double before = values().at("process_open_fds");
    const int fd = open("/dev/null", O_RDONLY);
    EXPECT_EQ(values().at("process_open_fds"), before + 1);
    close(fd);
    EXPECT_EQ(values().at("process_open_fds"), before);
}

} // namespace
} // namespace podrtt
