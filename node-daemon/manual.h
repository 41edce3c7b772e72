// SPDX-License-Identifier: Apache-2.0
//
// What is made of the options beside --help: manual pages and completion for shells.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace podrtt
{

// podrttd(8), as man(7) has it.
std::string make_manual(const CLI::App &app);

enum class Shell { bash, zsh };

std::string make_completion(const CLI::App &app, Shell shell);

} // namespace podrtt
