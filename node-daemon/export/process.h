// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace podrtt
{

// The standard process_* families of this process, from /proc/self (proc(5)). What cannot be
// read is left out.
std::vector<prometheus::MetricFamily> process_families();

} // namespace podrtt
