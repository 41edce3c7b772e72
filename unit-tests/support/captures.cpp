// SPDX-License-Identifier: Apache-2.0
#include "unit-tests/support/captures.h"

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace podrtt::cni
{

std::vector<Capture> captures()
{
    std::vector<Capture> all;
    for (const auto &file : std::filesystem::directory_iterator(TEST_DATA "/cni-captures")) {
        if (file.path().extension() != ".txt")
            continue;
        std::ifstream stream(file.path());
        enum { preamble, environment, config } part = preamble;
        for (std::string line; std::getline(stream, line);) {
            if (line.starts_with("=== ")) {
                all.push_back({file.path().filename().string() + " " + line.substr(4), {}, {}});
                part = preamble;
            } else if (line.starts_with("## env:")) {
                part = environment;
            } else if (line.starts_with("## stdin:")) {
                part = config;
            } else if (part == environment) {
                std::size_t equals = line.find('=');
                all.back().environment.emplace(line.substr(0, equals), line.substr(equals + 1));
            } else if (part == config) {
                all.back().config += line + "\n";
            }
        }
    }
    if (all.empty())
        throw std::runtime_error("no captures in " TEST_DATA);
    return all;
}

} // namespace podrtt::cni
