// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/bpffs.h"

#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/vfs.h>

#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>

namespace podrtt
{
namespace
{

constexpr const char *usual_mount_point = "/sys/fs/bpf";

// A directory of the node's, mounted into a container by itself: what is mounted on it here is seen by
// nobody else. Where mounts are shared, they are.
bool is_private_mount(const std::string &directory)
{
    std::ifstream mounts("/proc/thread-self/mountinfo"); // see proc(5)
    bool found = false;
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words(line);
        std::string id, parent, device, root, point, options, tag;
        words >> id >> parent >> device >> root >> point >> options >> tag;
        if (point == directory) // the last one is on top
            found = !tag.starts_with("shared:");
    }
    return found;
}

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
    if (is_private_mount(usual_mount_point))
        return failure(
            "use", usual_mount_point,
            "it is the node's and no bpffs, and the plugin would not see one that is mounted from here; "
            "on the node, mount -t bpf bpf /sys/fs/bpf");
    if (mount("bpf", usual_mount_point, "bpf", 0, "mode=0700") != 0)
        return failure("mount a bpffs on", usual_mount_point, errno);
    return true;
}

} // namespace podrtt
