// SPDX-License-Identifier: Apache-2.0
//
// The entry of podrtt in a CNI configuration list. The text around it, its formatting and the keys
// that podrtt does not know included, stays as it is, to the byte.
#pragma once

#include <string>

#include "error.h"

namespace podrtt
{

// The text with podrtt as the last plugin of the list, once. What is no list of at least one
// plugin, or of podrtt alone, is refused.
Result<std::string> add_to_conflist(const std::string &text);

// The text without podrtt: what it was before add_to_conflist().
Result<std::string> remove_from_conflist(const std::string &text);

struct ConfList {
    std::string name;
    bool loads_drop_ins; // unless "loadOnlyInlinedPlugins" forbids it; and if the runtime can
};

// An error if the text is no configuration list.
Result<ConfList> read_conflist(const std::string &text);

} // namespace podrtt
