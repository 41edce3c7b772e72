// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/export/accept.h"

#include <algorithm>
#include <cstdlib>
#include <string>

namespace podrtt
{
namespace
{

double quality_of(std::string_view element)
{
    const std::size_t at = element.find("q=");
    return at == std::string_view::npos ? 1
                                        : std::strtod(std::string(element.substr(at + 2)).c_str(), nullptr);
}

} // namespace

void for_each_accepted(std::string_view header,
                       const std::function<void(std::string_view element, double quality)> &each)
{
    while (!header.empty()) {
        const std::string_view element = header.substr(0, header.find(','));
        header.remove_prefix(std::min(header.size(), element.size() + 1));
        each(element, quality_of(element));
    }
}

} // namespace podrtt
