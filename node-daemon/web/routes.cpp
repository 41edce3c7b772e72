// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/routes.h"

#include <malloc.h>

#include "node-daemon/export/exposition.h"
#include "node-daemon/views/page.h"

namespace podrtt
{
namespace
{

constexpr unsigned ok = 200, unauthorized = 401, forbidden = 403, not_found = 404, too_many = 429,
                   unavailable = 503;

// Nothing from elsewhere, and nothing in line: names of pods come from elsewhere.
constexpr const char *page_policy =
    "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

Reply text(unsigned status, std::string body, std::vector<std::pair<std::string, std::string>> headers = {})
{
    headers.emplace_back("Content-Type", "text/plain; charset=utf-8");
    return {status, std::move(body), nullptr, std::move(headers)};
}

Reply page(const PageFile &file)
{
    return {ok,
            std::string(file.text),
            nullptr,
            {{"Content-Type", file.content_type},
             {"Cache-Control", "no-cache"},
             {"Content-Security-Policy", page_policy}}};
}

Reply check(bool holds, const char *otherwise)
{
    return holds ? text(ok, "ok\n") : text(unavailable, otherwise);
}

template <typename Form>
Answer make_metrics(const Collector &collector)
{
    Form exposition;
    collector.collect(exposition);
    exposition.finish();
    return {exposition.content_type(), exposition.take_parts()};
}

} // namespace

template <typename Make>
Reply Routes::share(Shared &shared, const Request &request, const Make &make)
{
    has_answered_ = true;
    auto answer = shared.plain.get(make);
    if (answer->length == 0)
        return text(unavailable, "the maps cannot be read; see the log\n");
    Reply reply = {ok, "", nullptr, {{"Vary", "Accept, Accept-Encoding"}, {"Cache-Control", "no-store"}}};
    if (accepts_gzip(request.accept_encoding)) {
        answer = shared.compressed.get(answer);
        reply.headers.emplace_back("Content-Encoding", "gzip");
    }
    reply.answer = std::move(answer);
    return reply;
}

// What stands in the way of an answer, if something does.
std::optional<Reply> Routes::refuse(const Request &request)
{
    const auto &config = request.config;
    const auto now = BasicAuth::Clock::now();
    // The node's probes cost nothing, and must not starve.
    const bool is_probe = request.path == "/healthz" || request.path == "/readyz";
    if (!is_probe && !rate_limit_.admits(config->rate_limit, now))
        return text(too_many, "too many requests; try again\n", {{"Retry-After", "1"}});
    if (config->is_open(request.path))
        return std::nullopt;
    if (!request.is_known_client)
        return text(forbidden, "a client's certificate is required\n");
    switch (auth_.may_ask(config, request.authorization, request.peer, now)) {
    case BasicAuth::Verdict::no:
        return text(unauthorized, "authentication required\n",
                    {{"WWW-Authenticate", "Basic realm=\"podrttd\""}});
    case BasicAuth::Verdict::later:
        return text(too_many, "passwords are being checked; try again\n", {{"Retry-After", "1"}});
    case BasicAuth::Verdict::yes:
        break;
    }
    return std::nullopt;
}

Reply Routes::handle(const Request &request)
{
    if (auto refusal = refuse(request))
        return std::move(*refusal);
    if (request.path == "/metrics")
        return scrape(request);
    if (request.path == "/pods.json")
        return page_data(request);
    if (const auto file = page_files().find(request.path); file != page_files().end())
        return page(file->second);
    if (request.path == "/healthz")
        return check(health_.alive(Health::Clock::now()), "no pass over the pods for 10 s\n");
    if (request.path == "/readyz")
        return readiness();
    return text(not_found, "there are /, /metrics, /healthz and /readyz\n");
}

void Routes::forget_old_answers()
{
    bool all_forgotten = true;
    for (Shared *shared : {&text_, &openmetrics_, &protobuf_, &pods_})
        if (shared->plain.forget_old(Answer::Clock::now()))
            shared->compressed.forget();
        else
            all_forgotten = false;
    // Not sooner (main.cpp): while many ask, the page faults would cost more than all else.
    if (all_forgotten && has_answered_.exchange(false))
        malloc_trim(0);
}

Reply Routes::scrape(const Request &request)
{
    switch (preferred_form(request.accept)) {
    case Form::protobuf:
        return share(protobuf_, request, [this] { return make_metrics<ProtobufExposition>(collector_); });
    case Form::openmetrics:
        return share(openmetrics_, request,
                     [this] { return make_metrics<OpenMetricsExposition>(collector_); });
    case Form::text:
        break;
    }
    return share(text_, request, [this] { return make_metrics<TextExposition>(collector_); });
}

Reply Routes::readiness() const
{
    if (plugin_ && !plugin_->in_place)
        return check(false, "the plugin is not in place; see the log\n");
    return check(health_.ready(), "not all pods have been looked at yet\n");
}

Reply Routes::page_data(const Request &request)
{
    return share(pods_, request, [this] {
        return Answer("application/json", {make_page_data(maps_, attach_states_, collector_.series())});
    });
}

} // namespace podrtt
