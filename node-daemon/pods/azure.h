// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace podrtt
{

// "azv" and the first 11 digits of SHA-1 of "<namespace>.<pod>", as azure-vnet names host veths.
std::string azure_veth_name(const std::string &name_space, const std::string &pod);

} // namespace podrtt
