// SPDX-License-Identifier: Apache-2.0
#include "runtime.h"

#include <sys/stat.h>

#include <charconv>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>

namespace podrtt
{
namespace
{

constexpr std::string_view module = "dep\tgithub.com/containernetworking/cni\tv";
constexpr std::size_t longest_version = 32;

// Major and minor; 0.0 if it is none.
std::pair<unsigned, unsigned> parse_version(std::string_view text)
{
    std::pair<unsigned, unsigned> version;
    const auto major = std::from_chars(text.begin(), text.end(), version.first);
    if (major.ec != std::errc() || major.ptr == text.end() || *major.ptr != '.')
        return {};
    const auto minor = std::from_chars(major.ptr + 1, text.end(), version.second);
    return minor.ec == std::errc() ? version : std::pair(0u, 0u);
}

bool search(const std::filesystem::path &runtime)
{
    std::ifstream file(runtime, std::ios::binary);
    std::string window, chunk(std::size_t{1024} * 1024, '\0'); // executables have tens of MiB
    constexpr std::size_t kept = module.size() + longest_version;
    for (bool last = false; !last;) {
        file.read(chunk.data(), static_cast<std::streamsize>(chunk.size()));
        last = file.gcount() < static_cast<std::streamsize>(chunk.size());
        window.append(chunk, 0, static_cast<std::size_t>(file.gcount()));
        const std::size_t found = window.find(module);
        if (found != std::string::npos && (last || window.size() - found > kept))
            return parse_version(std::string_view(window).substr(found + module.size())) >=
                   std::pair(1u, 3u);
        // What may be the beginning of it stays.
        if (found == std::string::npos && window.size() > kept)
            window.erase(0, window.size() - kept);
    }
    return false;
}

} // namespace

bool loads_drop_ins(const std::filesystem::path &runtime)
{
    struct stat now = {};
    if (stat(runtime.c_str(), &now) != 0)
        return false;
    // Asked again and again of the same file; reading it takes some 100 ms.
    static struct stat last = {};
    static bool answer = false;
    if (now.st_dev != last.st_dev || now.st_ino != last.st_ino || now.st_size != last.st_size ||
        now.st_mtim.tv_sec != last.st_mtim.tv_sec || now.st_mtim.tv_nsec != last.st_mtim.tv_nsec)
        answer = search(runtime);
    last = now;
    return answer;
}

} // namespace podrtt
