// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <string_view>

namespace podrtt
{

// Calls `each` for the elements of an Accept or Accept-Encoding header (RFC 9110, 12.5), parameters
// included, with their quality: "q=", or 1.
void for_each_accepted(std::string_view header,
                       const std::function<void(std::string_view element, double quality)> &each);

} // namespace podrtt
