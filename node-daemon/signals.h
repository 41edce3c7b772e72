// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <csignal>

namespace podrtt
{

// Blocks the signals that end the process, so that they are waited for where nothing is
// half done, and returns them; ignores SIGPIPE. Must be called before other threads start,
// so that they inherit the mask.
sigset_t block_termination_signals();

// Blocks SIGHUP as well, and adds it to `signals`.
void add_reload_signal(sigset_t &signals);

} // namespace podrtt
