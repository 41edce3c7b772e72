// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/process.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>
#include <system_error>
#include <utility>

namespace podrtt
{
namespace
{

using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char *name, const char *help, double value, MetricType type = MetricType::Gauge)
{
    prometheus::ClientMetric metric;
    (type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
    return {name, help, type, {std::move(metric)}};
}

// Fields of /proc/self/stat, numbered as in proc(5), from the third on.
std::vector<std::string> stat_fields()
{
    std::ifstream file("/proc/self/stat");
    std::string text{std::istreambuf_iterator<char>(file), {}};
    std::istringstream stream(text.substr(text.rfind(')') + 1)); // behind the command's name
    return {std::istream_iterator<std::string>(stream), {}};
}

std::optional<double> boot_time()
{
    std::ifstream file("/proc/stat");
    double seconds = 0;
    for (std::string word; file >> word;)
        if (word == "btime" && file >> seconds)
            return seconds;
    return std::nullopt;
}

} // namespace

std::vector<MetricFamily> process_families()
{
    std::vector<MetricFamily> families;
    const auto fields = stat_fields();
    auto field = [&fields](std::size_t number) { return std::stod(fields.at(number - 3)); };
    if (fields.size() > 24) {
        const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
        const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
        families.push_back(family("process_cpu_seconds_total", "User and system CPU time in seconds.",
                                  (field(14) + field(15)) / ticks, MetricType::Counter));
        families.push_back(family("process_virtual_memory_bytes", "Virtual memory in bytes.", field(23)));
        families.push_back(
            family("process_resident_memory_bytes", "Resident memory in bytes.", field(24) * page));
        if (auto boot = boot_time())
            families.push_back(family("process_start_time_seconds",
                                      "Start of the process since the Unix epoch.",
                                      *boot + field(22) / ticks));
    }
    std::error_code error;
    const auto open = std::distance(std::filesystem::directory_iterator("/proc/self/fd", error), {});
    if (!error)
        families.push_back(family("process_open_fds", "Open file descriptors.", static_cast<double>(open)));
    rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0)
        families.push_back(family("process_max_fds", "File descriptors that may be open.",
                                  static_cast<double>(files.rlim_cur)));
    return families;
}

} // namespace podrtt
