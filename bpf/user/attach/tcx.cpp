// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/attach/tcx.h"

#include <bpf/bpf.h>

#include <array>
#include <cerrno>

#include "bpf/user/fd.h"
#include "bpf/user/program.h"

namespace podrtt::attach
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

Result<void> send(int ifindex, Hook hook, int program_fd, unsigned flags, int replaced_fd)
{
    LIBBPF_OPTS(bpf_prog_attach_opts, options, .flags = flags, .replace_prog_fd = replaced_fd);
    if (bpf_prog_attach_opts(program_fd, ifindex, attach_type(hook), &options) != 0)
        return failure("attach by TCX to", describe(ifindex, hook), errno);
    return {};
}

} // namespace

Result<TcxList> list_tcx(int ifindex, Hook hook)
{
    std::array<std::uint32_t, max_programs> ids = {};
    LIBBPF_OPTS(bpf_prog_query_opts, query, .prog_ids = ids.data(), .prog_cnt = ids.size());
    TcxList list;
    if (bpf_prog_query_opts(ifindex, attach_type(hook), &query) != 0) {
        list.supported = errno == ENOENT; // nothing has ever been attached
        if (errno == EINVAL || errno == ENOENT)
            return list;
        return failure("list TCX programs at", describe(ifindex, hook), errno);
    }
    list.supported = true;
    for (std::uint32_t i = 0; i < query.prog_cnt; i++) {
        Fd program(bpf_prog_get_fd_by_id(ids.at(i)));
        if (!program && errno == ENOENT)
            continue; // it has gone meanwhile
        if (!program)
            return failure("inspect TCX programs at", describe(ifindex, hook), errno);
        auto info = program_info(program.get());
        if (!info)
            return std::unexpected(info.error());
        list.programs.push_back({info->id, info->name});
    }
    return list;
}

bool is_tcx_used(int ifindex)
{
    for (const Hook hook : hooks) {
        LIBBPF_OPTS(bpf_prog_query_opts, query); // only how many
        if (bpf_prog_query_opts(ifindex, attach_type(hook), &query) == 0 && query.prog_cnt > 0)
            return true;
    }
    return false;
}

Result<void> put_tcx_first(int ifindex, Hook hook, int program_fd)
{
    return send(ifindex, hook, program_fd, flag_before, 0);
}

Result<void> replace_tcx(int ifindex, Hook hook, int program_fd, std::uint32_t replaced)
{
    const Fd old(bpf_prog_get_fd_by_id(replaced));
    if (!old)
        return failure("attach by TCX to", describe(ifindex, hook), errno);
    return send(ifindex, hook, program_fd, flag_replace, old.get());
}

Result<void> delete_tcx(int ifindex, Hook hook, std::uint32_t id)
{
    const Fd program(bpf_prog_get_fd_by_id(id));
    if (!program || bpf_prog_detach2(program.get(), ifindex, attach_type(hook)) != 0)
        if (errno != ENOENT) // else it has gone meanwhile
            return failure("detach by TCX from", describe(ifindex, hook), errno);
    return {};
}

} // namespace podrtt::attach
