// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <civetweb.h>

#include <memory>
#include <string>

#include "collector.h"
#include "error.h"
#include "handle.h"
#include "health.h"

namespace podrtt
{

// Serves over HTTP, for reading only: /metrics; /healthz, 200 while the daemon does its work;
// and /readyz, 200 as soon as it has looked at every pod.
class Server
{
public:
    // `address` is HOST:PORT. Both others must outlive the server.
    static Result<Server> start(const std::string &address, const Collector &collector,
                                const Health &health);

private:
    struct Sources {
        const Collector &collector;
        const Health &health;
    };

    static int answer(mg_connection *connection, void *sources);

    explicit Server(std::unique_ptr<Sources> sources) : sources_(std::move(sources)) {}

    std::unique_ptr<Sources> sources_; // outlive the threads that ask them
    Handle<mg_context, mg_stop> context_;
};

} // namespace podrtt
