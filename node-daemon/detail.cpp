// SPDX-License-Identifier: Apache-2.0
#include "detail.h"

#include "histogram.h"

namespace podrtt
{

std::map<SeriesKey, podrtt_histogram> reduce(const std::map<SeriesKey, podrtt_histogram> &all,
                                             const Detail &detail)
{
    std::map<SeriesKey, podrtt_histogram> told;
    for (const auto &[key, histogram] : all) {
        if ((!detail.pods && !key.pod.empty()) || (detail.leg && key.leg != *detail.leg))
            continue;
        SeriesKey sum = key;
        if (!detail.peers)
            sum.peer.clear();
        add(told[sum], histogram);
    }
    return told;
}

} // namespace podrtt
