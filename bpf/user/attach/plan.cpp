// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/attach/plan.h"

#include <linux/if_ether.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "bpf/user/attach/clsact.h"

namespace podrtt::attach
{
namespace
{

using Action = Step::Action;

// Where nobody else is: with room before and behind, and before the 49152 that the
// kernel hands out where no priority is named.
constexpr std::uint16_t default_priority = 10000;

std::size_t index(Hook hook)
{
    return static_cast<std::size_t>(hook);
}

std::unexpected<Error> no_room(const InterfaceView &view, std::string reason)
{
    return std::unexpected(
        Error{"attach filters to interface", std::to_string(view.ifindex), EBUSY, std::move(reason)});
}

// Before all others: at a lower priority if there is one left, else at theirs, where
// the kernel runs the newest filter first.
std::uint16_t choose_priority(const std::vector<Filter> &filters)
{
    std::uint16_t priority = default_priority;
    for (const Filter &filter : filters)
        if (!filter.ours())
            priority = std::min<std::uint16_t>(priority, filter.priority > 1 ? filter.priority - 1 : 1);
    return priority;
}

std::uint32_t choose_handle(const std::vector<Filter> &filters, std::uint16_t priority)
{
    const bool taken = std::ranges::any_of(filters, [&](const Filter &filter) {
        return filter.priority == priority && filter.handle == own_handles[0];
    });
    return own_handles[taken];
}

// The kernel keeps filters of one kind and protocol at a priority.
bool shares_priority(const Filter &filter, std::uint16_t priority)
{
    return filter.priority != priority || (filter.kind == "bpf" && filter.protocol == ETH_P_ALL);
}

Result<void> plan_filters(const InterfaceView &view, const Wanted &wanted, Hook hook,
                          std::vector<Step> &steps)
{
    const auto &filters = view.at(hook).filters;
    const Filter *first = !filters.empty() && filters.front().ours() ? &filters.front() : nullptr;
    if (first &&
        (first->program_id != wanted.filter_programs[index(hook)] || first->classid != wanted.classid)) {
        steps.push_back({Action::replace_filter, hook, first->priority, first->handle});
    } else if (!first) {
        const std::uint16_t priority = choose_priority(filters);
        if (!std::ranges::all_of(filters, [&](const Filter &f) { return shares_priority(f, priority); }))
            return no_room(view, "another's filter of priority 1 leaves no room before it");
        steps.push_back({Action::add_filter, hook, priority, choose_handle(filters, priority)});
    }
    for (const Filter &filter : filters) // those of ours that others have got in front of
        if (filter.ours() && &filter != first)
            steps.push_back({Action::delete_filter, hook, filter.priority, filter.handle});
    return {};
}

void remove_filters(const InterfaceView &view, std::vector<Step> &steps)
{
    for (const Hook hook : hooks)
        for (const Filter &filter : view.at(hook).filters)
            if (filter.ours())
                steps.push_back({Action::delete_filter, hook, filter.priority, filter.handle});
}

void remove_tcx(const InterfaceView &view, std::vector<Step> &steps)
{
    for (const Hook hook : hooks)
        for (const TcxProgram &program : view.at(hook).tcx)
            if (program.ours())
                steps.push_back({.action = Action::delete_tcx, .hook = hook, .program_id = program.id});
}

Result<Plan> plan_clsact(const InterfaceView &view, const Wanted &wanted)
{
    // An ingress qdisc lies in the same place. It takes filters for egress, too, but runs
    // them at ingress.
    if (!view.qdisc.empty() && view.qdisc != "clsact")
        return no_room(view, "the place of clsact is taken by a qdisc of kind \"" + view.qdisc +
                                 "\" (the CNI plugin bandwidth creates one)");
    Plan plan = {wanted.form == PODRTT_ATTACH_POD ? PODRTT_ATTACH_POD : PODRTT_ATTACH_CLSACT, {}};
    if (view.qdisc.empty())
        plan.steps.push_back({Action::add_clsact});
    for (const Hook hook : hooks)
        if (auto planned = plan_filters(view, wanted, hook, plan.steps); !planned)
            return std::unexpected(planned.error());
    remove_tcx(view, plan.steps);
    return plan;
}

Plan plan_tcx(const InterfaceView &view, const Wanted &wanted)
{
    Plan plan = {PODRTT_ATTACH_TCX, {}};
    for (const Hook hook : hooks) {
        const auto &programs = view.at(hook).tcx;
        const std::uint32_t id = wanted.tcx_programs[index(hook)];
        const bool first = !programs.empty() && programs.front().ours();
        auto remove = [&](const TcxProgram &program) {
            plan.steps.push_back({.action = Action::delete_tcx, .hook = hook, .program_id = program.id});
        };
        if (first && programs.front().id != id) {
            plan.steps.push_back(
                {.action = Action::replace_tcx, .hook = hook, .program_id = programs.front().id});
        } else if (!first) {
            // The same program cannot be there twice, so it goes before it comes to the front.
            for (const TcxProgram &program : programs)
                if (program.id == id)
                    remove(program);
            plan.steps.push_back({.action = Action::put_tcx, .hook = hook});
        }
        for (const TcxProgram &program : programs)
            if (program.ours() && program.id != id && !(first && &program == &programs.front()))
                remove(program);
    }
    remove_filters(view, plan.steps);
    return plan;
}

} // namespace

Result<Plan> plan(const InterfaceView &view, const Wanted &wanted)
{
    switch (wanted.form) {
    case PODRTT_ATTACH_TCX:
        if (!view.has_tcx)
            return std::unexpected(Error{"attach by TCX to interface", std::to_string(view.ifindex),
                                         EOPNOTSUPP, "the kernel has no TCX; it came with Linux 6.6"});
        return plan_tcx(view, wanted);
    case PODRTT_ATTACH_CLSACT:
    case PODRTT_ATTACH_POD:
        return plan_clsact(view, wanted);
    case PODRTT_ATTACH_AUTO:
        break;
    }
    if (view.uses_tcx())
        return plan_tcx(view, wanted);
    auto planned = plan_clsact(view, wanted);
    // A kernel without TCX cannot help; then the lack of room is the reason to name.
    return planned || !view.has_tcx ? planned : plan_tcx(view, wanted);
}

Plan plan_removal(const InterfaceView &view)
{
    Plan plan;
    remove_filters(view, plan.steps);
    remove_tcx(view, plan.steps);
    return plan;
}

} // namespace podrtt::attach
