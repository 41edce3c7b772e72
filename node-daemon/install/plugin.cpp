// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/plugin.h"

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <system_error>
#include <utility>

#include "bpf/user/file.h"
#include "bpf/user/json_text.h"
#include "node-daemon/install/command.h"

namespace podrtt
{
namespace
{

namespace fs = std::filesystem;

constexpr mode_t plugin_mode = 0755;
constexpr mode_t executable = 0111;
constexpr std::chrono::seconds answer_time{10};

} // namespace

fs::path shipped_plugin()
{
    std::error_code error;
    return fs::read_symlink("/proc/self/exe", error).parent_path() / plugin_name;
}

Result<FileChanges> plan_plugin(const fs::path &source, const fs::path &path)
{
    auto wanted = read_file(source, max_program_size);
    if (!wanted)
        return std::unexpected(wanted.error());
    if (!*wanted)
        return failure("read", source, ENOENT);
    auto present = read_file(path, max_program_size);
    if (!present)
        return std::unexpected(present.error());
    struct stat status = {};
    const bool can_be_run = stat(path.c_str(), &status) == 0 && (status.st_mode & executable) == executable;
    if (*present == *wanted && can_be_run)
        return FileChanges();
    return FileChanges{{path, std::move(*present), std::move(*wanted), plugin_mode, source}};
}

Result<FileChanges> plan_plugin_removal(const fs::path &path)
{
    auto present = read_file(path, max_program_size);
    if (!present)
        return std::unexpected(present.error());
    if (!*present)
        return FileChanges();
    return FileChanges{{path, std::move(*present), std::nullopt, plugin_mode, path}};
}

Result<std::vector<std::string>> ask_versions(const fs::path &plugin)
{
    const auto answer = run_command({{plugin},
                                     {"CNI_COMMAND=VERSION", "CNI_PATH=" + plugin.parent_path().string()},
                                     R"({"cniVersion":"1.0.0"})"},
                                    answer_time);
    if (!answer)
        return std::unexpected(answer.error());
    const auto json = parse_json(*answer);
    const auto versions = json.is_object() ? json.find("supportedVersions") : json.end();
    if (!json.is_object() || versions == json.end() || !versions->is_array())
        return failure("run", plugin, "it does not answer VERSION as a CNI plugin does");
    std::vector<std::string> found;
    for (const auto &version : *versions)
        if (version.is_string())
            found.push_back(version.get<std::string>());
    return found;
}

} // namespace podrtt
