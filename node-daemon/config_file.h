// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <memory>

namespace podrtt
{

// Reads options of `run`, and --pin-path of `app`, from a YAML or JSON file: the same names,
// without the dashes before them. All mistakes are reported together.
std::shared_ptr<CLI::Config> config_file(const CLI::App &app, const CLI::App &run);

} // namespace podrtt
