// SPDX-License-Identifier: Apache-2.0
//
// Compiled with -Wpadded as an error: bytes that nobody names would be garbage in keys, and differ between
// programs and user space.
#include "bpf/flow.h"   // NOLINT: included to be compiled
#include "bpf/podrtt.h" // NOLINT
