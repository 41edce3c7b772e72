// SPDX-License-Identifier: Apache-2.0
//
// The entry of podrtt in a CNI configuration list. The text around it, its formatting and the keys
// that podrtt does not know included, stays as it is, to the byte.
#pragma once

#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

// The entry as it is written unless an operator has said more in it.
inline constexpr const char *default_entry = "{\"type\":\"podrtt\"}";

// The text with podrtt as the last plugin of the list, once; by `entry` if it is not there yet. What is
// no list of at least one plugin, or of podrtt alone, is refused.
Result<std::string> add_to_conflist(const std::string &text, const std::string &entry = default_entry);

// The text without podrtt: what it was before add_to_conflist().
Result<std::string> remove_from_conflist(const std::string &text);

struct ConfList {
    std::string name;
    std::vector<std::string> versions; // of CNI: those that the runtime may speak with its plugins
    std::string own;                   // podrtt's entry, without line breaks; empty if there is none
    bool loads_drop_ins;               // unless "loadOnlyInlinedPlugins" forbids it; and if the runtime can
};

// An error if the text is no configuration list that a runtime would take.
Result<ConfList> read_conflist(const std::string &text);

// Whether a text is an entry of podrtt.
bool is_own_entry(const std::string &text);

} // namespace podrtt
