// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/bpffs.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cerrno>

namespace podrtt
{
namespace
{

constexpr const char *usual_mount_point = "/sys/fs/bpf";

} // namespace

bool is_on_bpffs(std::filesystem::path path)
{
    std::error_code error; // what cannot be seen is taken for missing
    while (!std::filesystem::exists(path, error) && path.has_relative_path())
        path = path.parent_path();
    struct statfs info;
    return statfs(path.c_str(), &info) == 0 && info.f_type == BPF_FS_MAGIC;
}

Result<bool> ensure_bpffs(const std::filesystem::path &pin_path)
{
    if (is_on_bpffs(pin_path))
        return false;
    if (!pin_path.string().starts_with(std::string(usual_mount_point) + "/"))
        return failure(
            "use pin path", pin_path,
            "it is not on a bpffs; mount one (mount -t bpf bpf DIRECTORY) or choose a path below " +
                std::string(usual_mount_point));
    if (mount("bpf", usual_mount_point, "bpf", 0, "mode=0700") != 0)
        return failure("mount a bpffs on", usual_mount_point, errno);
    return true;
}

} // namespace podrtt
