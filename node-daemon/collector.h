// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "attachments.h"
#include "detail.h"
#include "exposition.h"
#include "maps.h"
#include "pins.h"
#include "repairs.h"

namespace podrtt
{

// Reads the maps and the attachments whenever Prometheus scrapes. Thread-safe; holds no
// state of its own.
class Collector
{
public:
    // `maps`, `attachments` and `repairs` must outlive the collector.
    Collector(Pins pins, const Maps &maps, const Attachments &attachments, const Repairs &repairs,
              const Detail &detail = {})
        : pins_(std::move(pins)), maps_(maps), attachments_(attachments), repairs_(repairs), detail_(detail)
    {
    }

    // Adds all families, one after the other.
    void collect(Exposition &exposition) const;

private:
    Pins pins_;
    const Maps &maps_;
    const Attachments &attachments_;
    const Repairs &repairs_;
    Detail detail_;
};

} // namespace podrtt
