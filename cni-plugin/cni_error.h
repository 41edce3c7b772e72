// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <expected>
#include <string>

namespace podrtt::cni
{

// Codes of the CNI specification, section 5; from 100 on they are the plugin's own.
enum class Code : unsigned {
    incompatible_version = 1,
    invalid_environment = 4,
    io_failure = 5,
    decoding_failure = 6,
    invalid_config = 7,
    invalid_netns = 8,
    not_instrumented = 100, // only with "failurePolicy": "closed"
};

// An error, as the runtime reads it on stdout.
struct CniError {
    Code code;
    std::string message;
    std::string details;
};

template <typename T>
using CniResult = std::expected<T, CniError>;

inline std::unexpected<CniError> cni_failure(Code code, std::string message, std::string details = "")
{
    return std::unexpected(CniError{code, std::move(message), std::move(details)});
}

} // namespace podrtt::cni
