// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/counts/attach_states.h"

#include "bpf/user/kinds.h"

namespace podrtt
{

const char *AttachState::reason() const
{
    switch (problem) {
    case AttachProblem::failed:
        return "failed";
    case AttachProblem::one_direction:
        return "one_direction";
    case AttachProblem::contended:
        return "contended";
    case AttachProblem::none:
        break;
    }
    return form_of(form).name;
}

} // namespace podrtt
