// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "tcx.h"

#include <bpf/bpf.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "fd.h"
#include "program.h"

namespace podrtt
{
namespace
{

// From linux/bpf.h of 6.6; the headers that podrtt is built with are older.
constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46);
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);
constexpr unsigned flag_replace = 1u << 2; // BPF_F_REPLACE
constexpr unsigned flag_before = 1u << 3;  // BPF_F_BEFORE; before all if no other is named

constexpr std::size_t max_programs = 64; // BPF_MPROG_MAX

bpf_attach_type attach_type(Hook hook)
{
    return hook == Hook::ingress ? tcx_ingress : tcx_egress;
}

std::string describe(int ifindex, Hook hook)
{
    return std::string(hook == Hook::ingress ? "ingress" : "egress") + " of interface " +
           std::to_string(ifindex);
}

Result<void> send(int ifindex, Hook hook, int program_fd, unsigned flags, int replaced_fd)
{
    LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = flags, .replace_prog_fd = replaced_fd);
    if (bpf_prog_attach_opts(program_fd, ifindex, attach_type(hook), &options) != 0)
        return failure("attach by TCX to", describe(ifindex, hook), errno);
    return {};
}

Result<void> remove(int ifindex, Hook hook, std::uint32_t id)
{
    Fd program(bpf_prog_get_fd_by_id(id));
    if (!program || bpf_prog_detach2(program.get(), ifindex, attach_type(hook)) != 0) {
        if (errno != ENOENT) // else it has gone meanwhile
            return failure("detach by TCX from", describe(ifindex, hook), errno);
    }
    return {};
}

} // namespace

bool TcxProgram::ours() const
{
    return is_own_program(name);
}

Result<std::vector<TcxProgram>> list_tcx(int ifindex, Hook hook)
{
    std::array<std::uint32_t, max_programs> ids = {};
    LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids.data(), .prog_cnt = ids.size());
    if (bpf_prog_query_opts(ifindex, attach_type(hook), &query) != 0) {
        if (errno == EINVAL || errno == ENOENT) // no TCX in this kernel, or nothing attached
            return std::vector<TcxProgram>();
        return failure("list TCX programs at", describe(ifindex, hook), errno);
    }
    std::vector<TcxProgram> programs;
    for (std::uint32_t i = 0; i < query.prog_cnt; i++) {
        Fd program(bpf_prog_get_fd_by_id(ids.at(i)));
        if (!program && errno == ENOENT)
            continue; // it has gone meanwhile
        if (!program)
            return failure("inspect TCX programs at", describe(ifindex, hook), errno);
        auto info = program_info(program.get());
        if (!info)
            return std::unexpected(info.error());
        programs.push_back({info->id, info->name});
    }
    return programs;
}

namespace
{

// One attempt.
Result<void> try_attach(int ifindex, Hook hook, int program_fd)
{
    auto info = program_info(program_fd);
    if (!info)
        return std::unexpected(info.error());
    auto present = list_tcx(ifindex, hook);
    if (!present)
        return std::unexpected(present.error());

    const bool first = !present->empty() && present->front().ours();
    if (first && present->front().id != info->id) {
        Fd replaced(bpf_prog_get_fd_by_id(present->front().id));
        if (auto sent = send(ifindex, hook, program_fd, flag_replace, replaced.get()); !sent)
            return sent;
    } else if (!first) {
        // The same program cannot be there twice, so it goes before it comes to the front.
        for (const auto &program : *present)
            if (program.id == info->id)
                if (auto removed = remove(ifindex, hook, program.id); !removed)
                    return removed;
        if (auto sent = send(ifindex, hook, program_fd, flag_before, 0); !sent)
            return sent;
    }
    for (const auto &program : *present)
        if (program.ours() && program.id != info->id && !(first && &program == &present->front()))
            if (auto removed = remove(ifindex, hook, program.id); !removed)
                return removed;
    return {};
}

} // namespace

Result<void> attach_tcx(int ifindex, Hook hook, int program_fd)
{
    // The plugin and the daemon may do this at the same time: whoever is second finds the
    // program there and looks again.
    auto attached = try_attach(ifindex, hook, program_fd);
    if (!attached && attached.error().code == EEXIST)
        attached = try_attach(ifindex, hook, program_fd);
    return attached;
}

Result<void> detach_tcx(int ifindex, Hook hook)
{
    auto programs = list_tcx(ifindex, hook);
    if (!programs)
        return std::unexpected(programs.error());
    for (const auto &program : *programs)
        if (program.ours())
            if (auto removed = remove(ifindex, hook, program.id); !removed)
                return removed;
    return {};
}

} // namespace podrtt
