// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <prometheus/text_serializer.h>

#include <string_view>
#include <utility>

namespace podrtt
{
namespace
{

struct Answer {
    int status;
    std::string body;
    const char *type = "text/plain; charset=utf-8";
};

Answer check(bool holds, const char *otherwise)
{
    return holds ? Answer{200, "ok\n"} : Answer{503, otherwise};
}

Answer answer_to(std::string_view path, const Collector &collector, const Health &health)
{
    if (path == "/metrics")
        return {200, prometheus::TextSerializer().Serialize(collector.Collect()),
                "text/plain; version=0.0.4; charset=utf-8"};
    if (path == "/healthz")
        return check(health.alive(Health::Clock::now()), "no pass over the pods for 10 s\n");
    if (path == "/readyz")
        return check(health.ready(), "not all pods have been looked at yet\n");
    return {404, "there are /metrics, /healthz and /readyz\n"};
}

} // namespace

int Server::answer(mg_connection *connection, void *sources)
{
    const auto &[collector, health] = *static_cast<const Sources *>(sources);
    const mg_request_info *request = mg_get_request_info(connection);
    const std::string_view method = request->request_method;
    const bool reads = method == "GET" || method == "HEAD"; // there is nothing to write
    const Answer answer =
        reads ? answer_to(request->local_uri, collector, health) : Answer{405, "only GET and HEAD\n"};

    mg_printf(connection,
              "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
              "X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
              answer.status, mg_get_response_code_text(connection, answer.status), answer.type,
              answer.body.size(), reads ? "" : "Allow: GET, HEAD\r\n");
    if (method != "HEAD")
        mg_write(connection, answer.body.data(), answer.body.size());
    return answer.status;
}

Result<Server> Server::start(const std::string &address, const Collector &collector, const Health &health)
{
    Server server(std::make_unique<Sources>(collector, health));
    const char *options[] = {
        "listening_ports",
        address.c_str(), //
        "num_threads",
        "8", //
        "request_timeout_ms",
        "3000", // a slow client keeps a thread no longer
        nullptr,
    };
    server.context_.reset(mg_start(nullptr, nullptr, options));
    if (!server.context_) // civetweb does not say why
        return failure("listen on", address, "is the port taken, or HOST not of this machine?");
    mg_set_request_handler(server.context_.get(), "/", answer, server.sources_.get());
    return server;
}

} // namespace podrtt
