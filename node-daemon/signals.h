// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <initializer_list>

#include "bpf/user/error.h"
#include "bpf/user/fd.h"

namespace podrtt
{

// Blocks these signals, so that they are waited for where nothing is half done, and returns a signalfd
// that reads them; ignores SIGPIPE. Must be called before other threads start, so that they inherit the
// mask.
Result<Fd> take_signals(std::initializer_list<int> signals);

} // namespace podrtt
