// SPDX-License-Identifier: Apache-2.0
#include "bpf/user/attach/plan.h"

#include <gmock/gmock.h>
#include <linux/if_ether.h>

#include <cerrno>

#include "bpf/user/attach/clsact.h"

namespace podrtt::attach
{
namespace
{

using Action = Step::Action;
using enum Hook;

// Programs that are pinned now, and the pod's classid.
constexpr Wanted wanted = {.classid = 0xabcd0007, .filter_programs = {1, 2}, .tcx_programs = {3, 4}};
constexpr std::uint32_t old_program = 99;

Filter own(std::uint16_t priority, std::uint32_t program, std::uint32_t classid = wanted.classid,
           std::uint32_t handle = own_handles[0])
{
    return {handle, priority, ETH_P_ALL, "bpf", PODRTT_PROGRAM_FROM_POD, program, classid};
}

Filter others(std::uint16_t priority, const char *kind = "bpf", std::uint16_t protocol = ETH_P_ALL)
{
    return {1, priority, protocol, kind, "cil_from_container", 50, 0};
}

InterfaceView clsact(std::vector<Filter> in, std::vector<Filter> out)
{
    InterfaceView view;
    view.ifindex = 7;
    view.name = "veth";
    view.qdisc = "clsact";
    view.has_tcx = true;
    view.at(ingress).filters = std::move(in);
    view.at(egress).filters = std::move(out);
    return view;
}

InterfaceView nothing()
{
    InterfaceView view = clsact({}, {});
    view.qdisc.clear();
    return view;
}

InterfaceView with_tcx(InterfaceView view, std::vector<TcxProgram> in, std::vector<TcxProgram> out)
{
    view.at(ingress).tcx = std::move(in);
    view.at(egress).tcx = std::move(out);
    return view;
}

InterfaceView with_qdisc(InterfaceView view, const char *kind, bool has_tcx)
{
    view.qdisc = kind;
    view.has_tcx = has_tcx;
    return view;
}

const TcxProgram foreign = {60, "cil_from_contai"};

Step add(Hook hook, std::uint16_t priority, std::uint32_t handle = own_handles[0])
{
    return {Action::add_filter, hook, priority, handle};
}
Step replace(Hook hook, std::uint16_t priority, std::uint32_t handle = own_handles[0])
{
    return {Action::replace_filter, hook, priority, handle};
}
Step erase(Hook hook, std::uint16_t priority, std::uint32_t handle = own_handles[0])
{
    return {Action::delete_filter, hook, priority, handle};
}
Step put_tcx(Hook hook)
{
    return {.action = Action::put_tcx, .hook = hook};
}
Step replace_tcx(Hook hook, std::uint32_t id)
{
    return {.action = Action::replace_tcx, .hook = hook, .program_id = id};
}
Step delete_tcx(Hook hook, std::uint32_t id)
{
    return {.action = Action::delete_tcx, .hook = hook, .program_id = id};
}
const Step add_clsact = {Action::add_clsact};

struct Case {
    const char *name;
    InterfaceView view;
    podrtt_attach form;
    podrtt_attach expected_form;
    std::vector<Step> steps;
};

void PrintTo(const Case &row, std::ostream *out)
{
    *out << row.name;
}

class Planned : public testing::TestWithParam<Case>
{
};

TEST_P(Planned, AsTheRulesSay)
{
    Wanted as_wanted = wanted;
    as_wanted.form = GetParam().form;
    auto planned = plan(GetParam().view, as_wanted);
    ASSERT_TRUE(planned) << planned.error().message();
    EXPECT_EQ(planned->form, GetParam().expected_form);
    ASSERT_EQ(planned->steps.size(), GetParam().steps.size());
    for (std::size_t i = 0; i < planned->steps.size(); i++)
        EXPECT_EQ(planned->steps[i], GetParam().steps[i]) << "step " << i;
}

constexpr auto autom = PODRTT_ATTACH_AUTO, by_clsact = PODRTT_ATTACH_CLSACT, by_tcx = PODRTT_ATTACH_TCX,
               inside = PODRTT_ATTACH_POD;

TEST(Plan, NeedsAKernelWithTcxForTcx)
{
    InterfaceView view = nothing();
    view.has_tcx = false;
    Wanted tcx = wanted;
    tcx.form = by_tcx;
    const auto planned = plan(view, tcx);
    ASSERT_FALSE(planned);
    EXPECT_THAT(planned.error().message(), testing::HasSubstr("Linux 6.6"));
}

INSTANTIATE_TEST_SUITE_P(
    , Planned,
    testing::Values(
        Case{"alone", nothing(), autom, by_clsact, {add_clsact, add(ingress, 10000), add(egress, 10000)}},
        Case{
            "qdisc_of_others", clsact({}, {}), autom, by_clsact, {add(ingress, 10000), add(egress, 10000)}},
        Case{"all_there", clsact({own(10000, 1)}, {own(10000, 2)}), autom, by_clsact, {}},
        Case{"one_direction_missing", clsact({own(10000, 1)}, {}), autom, by_clsact, {add(egress, 10000)}},
        Case{"old_program",
             clsact({own(10000, old_program)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {replace(ingress, 10000)}},
        Case{"filter_of_another_pod",
             clsact({own(10000, 1, 0xabcd0008)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {replace(ingress, 10000)}},
        Case{"filter_of_other_maps",
             clsact({own(10000, 1, 0x11110007)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {replace(ingress, 10000)}},
        Case{"neighbour_behind",
             clsact({others(20000)}, {}),
             autom,
             by_clsact,
             {add(ingress, 10000), add(egress, 10000)}},
        Case{"neighbour_before",
             clsact({others(100)}, {}),
             autom,
             by_clsact,
             {add(ingress, 99), add(egress, 10000)}},
        Case{"neighbour_at_the_first_priority",
             clsact({others(1)}, {}),
             autom,
             by_clsact,
             {add(ingress, 1), add(egress, 10000)}},
        Case{"neighbour_came_before_ours",
             clsact({others(500), own(10000, 1)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {add(ingress, 499), erase(ingress, 10000)}},
        Case{"neighbour_came_before_ours_at_the_first_priority",
             clsact({others(1), own(1, 1)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {add(ingress, 1, own_handles[1]), erase(ingress, 1)}},
        Case{"two_of_ours",
             clsact({own(99, 1), others(100), own(10000, 1)}, {own(10000, 2)}),
             autom,
             by_clsact,
             {erase(ingress, 10000)}},
        Case{"our_handle_but_not_our_name",
             clsact({{own_handles[0], 100, ETH_P_ALL, "bpf", "other", 50, 0}}, {}),
             autom,
             by_clsact,
             {add(ingress, 99), add(egress, 10000)}},
        Case{"others_on_tcx",
             with_tcx(nothing(), {foreign}, {}),
             autom,
             by_tcx,
             {put_tcx(ingress), put_tcx(egress)}},
        Case{"others_came_to_tcx",
             with_tcx(clsact({own(10000, 1)}, {own(10000, 2)}), {foreign}, {}),
             autom,
             by_tcx,
             {put_tcx(ingress), put_tcx(egress), erase(ingress, 10000), erase(egress, 10000)}},
        Case{"on_tcx_already",
             with_tcx(nothing(), {{3, PODRTT_PROGRAM_TCX_FROM}}, {{4, PODRTT_PROGRAM_TCX_TO}}),
             autom,
             by_tcx,
             {}},
        Case{"old_program_on_tcx",
             with_tcx(nothing(), {{98, PODRTT_PROGRAM_TCX_FROM}, foreign}, {{4, PODRTT_PROGRAM_TCX_TO}}),
             autom,
             by_tcx,
             {replace_tcx(ingress, 98)}},
        Case{"others_came_before_ours_on_tcx",
             with_tcx(nothing(), {foreign, {3, PODRTT_PROGRAM_TCX_FROM}}, {{4, PODRTT_PROGRAM_TCX_TO}}),
             autom,
             by_tcx,
             {delete_tcx(ingress, 3), put_tcx(ingress)}},
        Case{"forced_to_tcx", nothing(), by_tcx, by_tcx, {put_tcx(ingress), put_tcx(egress)}},
        Case{"forced_to_clsact",
             with_tcx(nothing(), {{3, PODRTT_PROGRAM_TCX_FROM}}, {}),
             by_clsact,
             by_clsact,
             {add_clsact, add(ingress, 10000), add(egress, 10000), delete_tcx(ingress, 3)}},
        Case{"ingress_qdisc_and_tcx",
             with_qdisc(nothing(), "ingress", true),
             autom,
             by_tcx,
             {put_tcx(ingress), put_tcx(egress)}},
        Case{"no_room_for_a_filter_but_tcx",
             clsact({others(1, "u32")}, {}),
             autom,
             by_tcx,
             {put_tcx(ingress), put_tcx(egress)}},
        Case{"inside_the_pod",
             nothing(),
             inside,
             inside,
             {add_clsact, add(ingress, 10000), add(egress, 10000)}}),
    [](const auto &row) { return row.param.name; });

struct Refusal {
    const char *name;
    InterfaceView view;
    podrtt_attach form;
    const char *reason;
};

class NoRoom : public testing::TestWithParam<Refusal>
{
};

TEST_P(NoRoom, IsNamed)
{
    Wanted as_wanted = wanted;
    as_wanted.form = GetParam().form;
    auto planned = plan(GetParam().view, as_wanted);
    ASSERT_FALSE(planned);
    EXPECT_EQ(planned.error().code, EBUSY);
    EXPECT_NE(planned.error().reason.find(GetParam().reason), std::string::npos) << planned.error().reason;
}

INSTANTIATE_TEST_SUITE_P(
    , NoRoom,
    testing::Values(
        Refusal{"ingress_qdisc", with_qdisc(nothing(), "ingress", true), by_clsact, "\"ingress\""},
        Refusal{"ingress_qdisc_without_tcx", with_qdisc(nothing(), "ingress", false), autom, "\"ingress\""},
        Refusal{"another_kind_at_priority_1", clsact({}, {others(1, "u32")}), by_clsact, "priority 1"},
        Refusal{"another_protocol_at_priority_1", clsact({others(1, "bpf", ETH_P_IP)}, {}), by_clsact,
                "priority 1"}),
    [](const auto &row) { return row.param.name; });

TEST(Removal, TakesOursAndNothingElse)
{
    const InterfaceView view = with_tcx(clsact({others(1), own(10000, 1, 0x11110007)}, {own(10000, 2)}),
                                        {foreign, {3, PODRTT_PROGRAM_TCX_FROM}}, {});
    EXPECT_EQ(plan_removal(view).steps,
              (std::vector<Step>{erase(ingress, 10000), erase(egress, 10000), delete_tcx(ingress, 3)}));
    EXPECT_TRUE(plan_removal(nothing()).steps.empty());
}

} // namespace
} // namespace podrtt::attach
