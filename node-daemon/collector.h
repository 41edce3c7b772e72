// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string>

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
    // `maps`, `attachments`, `repairs` and `plugin_in_place` must outlive the collector; the last is
    // null where the daemon does not install the plugin.
    Collector(Pins pins, const Maps &maps, const Attachments &attachments, const Repairs &repairs,
              const Detail &detail = {}, const std::atomic<bool> *plugin_in_place = nullptr)
        : pins_(std::move(pins)), maps_(maps), attachments_(attachments), repairs_(repairs),
          detail_(detail), plugin_in_place_(plugin_in_place)
    {
    }

    // Adds all families, one after the other.
    void collect(Exposition &exposition) const;

    // For the live page (page.h); empty if the maps cannot be read.
    std::string page_data() const;

private:
    Pins pins_;
    const Maps &maps_;
    const Attachments &attachments_;
    const Repairs &repairs_;
    Detail detail_;
    const std::atomic<bool> *plugin_in_place_;
};

} // namespace podrtt
