// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

namespace CLI
{
class Config;
}

namespace podrtt
{

// Reads options of `podrttd run` from a JSON object whose keys are the options' names; an
// option that may be repeated is an array.
std::shared_ptr<CLI::Config> json_config();

} // namespace podrtt
