// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <optional>

#include "node-daemon/counts/attach_states.h"
#include "node-daemon/counts/maps.h"
#include "node-daemon/counts/plugin_state.h"
#include "node-daemon/export/collector.h"
#include "node-daemon/web/answer.h"
#include "node-daemon/web/basic_auth.h"
#include "node-daemon/web/gzip.h"
#include "node-daemon/web/health.h"
#include "node-daemon/web/rate_limit.h"
#include "node-daemon/web/server.h"

namespace podrtt
{

// What podrttd serves: /metrics; the live page; /healthz, 200 while the daemon does its work; and /readyz,
// 200 as soon as it has looked at every pod, and while the plugin is in place. Thread-safe.
class Routes
{
public:
    // All that is passed by reference must outlive the routes.
    Routes(const Collector &collector, const Maps &maps, const AttachStates &attach_states,
           const Health &health, const PluginState *plugin = nullptr)
        : collector_(collector), maps_(maps), attach_states_(attach_states), health_(health),
          plugin_(plugin)
    {
    }

    Reply handle(const Request &request);

    // Answers that nobody will be given any more, and then their memory; to be called now and then.
    void forget_old_answers();

private:
    Reply scrape(const Request &request);
    Reply page_data(const Request &request);
    Reply readiness() const;

    std::optional<Reply> refuse(const Request &request);

    RateLimit rate_limit_;
    BasicAuth auth_;
    const Collector &collector_;
    const Maps &maps_;
    const AttachStates &attach_states_;
    const Health &health_;
    const PluginState *plugin_; // null where the daemon does not install it

    // An answer that many may ask for, in both codings.
    struct Shared {
        LatestAnswer plain;
        LatestGzip compressed;
    };
    template <typename Make>
    Reply share(Shared &shared, const Request &request, const Make &make);

    std::atomic<bool> has_answered_ = false; // since memory was given back
    Shared text_;
    Shared openmetrics_;
    Shared protobuf_;
    Shared pods_;
};

} // namespace podrtt
