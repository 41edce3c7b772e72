// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>

#include "bpf/podrtt.h"

namespace podrtt
{

// Upper bound of a bucket, included, in seconds: 2^(-20 + bucket/8).
double bucket_bound(std::uint32_t bucket);

std::uint64_t sample_count(const podrtt_histogram &histogram);

void add(podrtt_histogram &to, const podrtt_histogram &from);

// An estimate in seconds of the quantile `q` (0 to 1), within the bucket that holds it:
// samples are taken to be spread evenly on the bucket's logarithmic scale, as Prometheus
// does for native histograms. NaN without samples.
double quantile(const podrtt_histogram &histogram, double q);

} // namespace podrtt
