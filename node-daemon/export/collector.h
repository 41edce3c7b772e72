// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <mutex>

#include "bpf/user/pins.h"
#include "node-daemon/counts/attach_states.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/counts/plugin_state.h"
#include "node-daemon/counts/repairs.h"
#include "node-daemon/export/exposition.h"
#include "node-daemon/export/series_options.h"

namespace podrtt
{

// Reads the maps whenever Prometheus scrapes. Thread-safe.
class Collector
{
public:
    // `maps`, `attach_states`, `repairs` and `plugin` must outlive the collector; the last is
    // null where the daemon does not install the plugin.
    Collector(Pins pins, const Maps &maps, const AttachStates &attach_states, const Repairs &repairs,
              const SeriesOptions &options = {}, const PluginState *plugin = nullptr)
        : pins_(std::move(pins)), maps_(maps), attach_states_(attach_states), repairs_(repairs),
          options_(options), plugin_(plugin)
    {
    }

    // Which series there are; may be changed at any time.
    SeriesOptions series() const
    {
        const std::lock_guard lock(mutex_);
        return options_;
    }
    void set_series(const SeriesOptions &options)
    {
        const std::lock_guard lock(mutex_);
        options_ = options;
    }

    // Adds all families, one after the other.
    void collect(Exposition &exposition) const;

private:
    Pins pins_;
    const Maps &maps_;
    const AttachStates &attach_states_;
    const Repairs &repairs_;
    mutable std::mutex mutex_; // of the options
    SeriesOptions options_;
    const PluginState *plugin_;
};

} // namespace podrtt
