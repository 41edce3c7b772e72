// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "collector.h"
#include "error.h"
#include "health.h"
#include "web_config.h"

namespace podrtt
{

// Serves over HTTP or HTTPS, for reading only: /metrics; /healthz, 200 while the daemon does its
// work; and /readyz, 200 as soon as it has looked at every pod. In threads of its own, until it
// is destroyed.
class Server
{
public:
    // `address` is HOST:PORT. `collector` and `health` must outlive the server.
    static Result<Server> start(const std::string &address, const WebConfig &config,
                                const Collector &collector, const Health &health);

    Server(Server &&) noexcept;
    ~Server();

private:
    class Implementation;

    explicit Server(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

} // namespace podrtt
