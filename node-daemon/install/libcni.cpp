// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/install/libcni.h"

#include <fcntl.h>
#include <libelf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

#include "bpf/user/fd.h"
#include "bpf/user/handle.h"
#include "node-daemon/install/command.h"

namespace podrtt
{
namespace
{

using ElfFile = Handle<Elf, elf_end>;

constexpr std::string_view libcni = "dep\tgithub.com/containernetworking/cni\tv";

constexpr std::chrono::seconds answer_time{5};

using Version = std::pair<unsigned, unsigned>; // major and minor

// 0.0 if the text is not a version.
Version parse_version(std::string_view text)
{
    Version version;
    const auto major = std::from_chars(text.begin(), text.end(), version.first);
    if (major.ec != std::errc() || major.ptr == text.end() || *major.ptr != '.')
        return {};
    const auto minor = std::from_chars(major.ptr + 1, text.end(), version.second);
    return minor.ec == std::errc() ? version : Version();
}

std::string section(Elf *elf, std::string_view name)
{
    std::size_t names = 0;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return "";
    for (Elf_Scn *at = elf_nextscn(elf, nullptr); at; at = elf_nextscn(elf, at)) {
        Elf64_Shdr *header = elf64_getshdr(at);
        const char *found = header ? elf_strptr(elf, names, header->sh_name) : nullptr;
        if (!found || name != found)
            continue;
        const Elf_Data *data = elf_rawdata(at, nullptr);
        return data && data->d_buf ? std::string(static_cast<const char *>(data->d_buf), data->d_size) : "";
    }
    return "";
}

// Nothing if it is no regular file: a FIFO would never end.
Fd open_regular(const std::filesystem::path &path)
{
    Fd fd(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    struct stat status = {};
    return fd && fstat(fd.get(), &status) == 0 && S_ISREG(status.st_mode) ? std::move(fd) : Fd();
}

// The modules of a Go executable (debug/buildinfo: from Go 1.18 on the section holds the texts
// themselves). Empty if it says nothing.
std::string go_modules(const Fd &executable)
{
    if (elf_version(EV_CURRENT) == EV_NONE)
        return "";
    const ElfFile elf(elf_begin(executable.get(), ELF_C_READ, nullptr));
    return elf ? section(elf.get(), ".go.buildinfo") : "";
}

// Whether the executable, of some dozens of MiB, holds a text, also over the border of two pieces.
bool contains(const Fd &executable, std::string_view text)
{
    std::string piece(1 << 20, '\0'), window;
    off_t offset = 0;
    for (ssize_t length = 0; (length = pread(executable.get(), piece.data(), piece.size(), offset)) > 0;
         offset += length) {
        window.append(piece, 0, static_cast<std::size_t>(length));
        if (window.contains(text))
            return true;
        window.erase(0, window.size() - std::min(window.size(), text.size() - 1));
    }
    return false;
}

// "containerd github.com/containerd/containerd/v2 2.1.9 …", and others likewise: the third word.
Version version_of_containerd(const std::filesystem::path &executable)
{
    const auto answer = run_command({{executable, "--version"}}, answer_time);
    std::istringstream words(answer.value_or(""));
    std::string name, module, version;
    words >> name >> module >> version;
    return name == "containerd" ? parse_version(version.substr(version.starts_with('v'))) : Version();
}

// What the build information says; without it (distributions build without modules), whether the
// executable knows the key that forbids drop-ins, which came with them; or is of a version that has them.
bool search(const std::filesystem::path &runtime)
{
    const Fd executable = open_regular(runtime);
    if (!executable)
        return false;
    const std::string modules = go_modules(executable);
    if (const std::size_t found = modules.find(libcni); found != std::string::npos)
        return parse_version(std::string_view(modules).substr(found + libcni.size())) >= Version(1, 3);
    return contains(executable, "loadOnlyInlinedPlugins") ||
           version_of_containerd(runtime) >= Version(2, 1);
}

} // namespace

bool loads_drop_ins(const std::filesystem::path &runtime)
{
    struct stat now = {};
    if (stat(runtime.c_str(), &now) != 0)
        return false;
    // Asked again and again of the same file.
    static struct stat last = {};
    static bool answer = false;
    if (now.st_dev != last.st_dev || now.st_ino != last.st_ino || now.st_size != last.st_size ||
        now.st_mtim.tv_sec != last.st_mtim.tv_sec || now.st_mtim.tv_nsec != last.st_mtim.tv_nsec)
        answer = search(runtime);
    last = now;
    return answer;
}

} // namespace podrtt
