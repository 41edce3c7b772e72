// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <csignal>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>

#include "cni-plugin/plugin.h"

namespace
{

podrtt::cni::Environment environment()
{
    podrtt::cni::Environment variables;
    for (char **entry = environ; *entry; entry++) {
        std::string_view text = *entry;
        std::size_t equals = text.find('=');
        if (equals != std::string_view::npos)
            variables.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return variables;
}

} // namespace

int main()
{
    // The runtime may close stdout; that must not end the plugin half-way.
    std::signal(SIGPIPE, SIG_IGN);
    const std::string config{std::istreambuf_iterator<char>(std::cin), {}};
    return podrtt::cni::run(environment(), config, std::cout, std::cerr);
}
