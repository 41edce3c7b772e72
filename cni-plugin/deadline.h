// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>

#include "bpf/user/error.h"

namespace podrtt::cni
{

// Does `work` in a child process and waits for it until the deadline. Whatever happens
// to the child, the caller goes on in time (ETIMEDOUT): one that hangs in the kernel, where not even
// SIGKILL ends it at once, is left behind, and one that crashes is an error like others.
// The child holds none of the caller's standard files, for which a runtime would wait.
Result<void> within(std::chrono::milliseconds deadline, const std::function<Result<void>()> &work);

} // namespace podrtt::cni
