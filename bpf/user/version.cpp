// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "bpf/user/version.h"

namespace podrtt
{

const char *const commit = PODRTT_COMMIT;

} // namespace podrtt
