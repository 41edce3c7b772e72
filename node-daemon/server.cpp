// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "exposition.h"
#include "fd.h"
#include "handle.h"
#include "page.h"
#include "tls.h"
#include "users.h"

namespace podrtt
{
namespace
{

// Connections wait in the kernel, not in threads: a slow client costs memory, some KiB.
constexpr unsigned threads = 4;
constexpr unsigned idle_seconds = 10;           // after which a connection is closed
constexpr unsigned most_connections = 512;      // together
constexpr unsigned most_of_one_address = 128;   // so that no client takes all
constexpr int most_in_flight = 16;              // answers of some MiB each
constexpr std::size_t most_of_a_request = 8192; // bytes of its headers

using Response = Handle<MHD_Response, MHD_destroy_response>;
using AddressList = Handle<addrinfo, freeaddrinfo>;

Response make_response(std::string_view text)
{
    return Response(MHD_create_response_from_buffer(text.size(), const_cast<char *>(text.data()),
                                                    MHD_RESPMEM_MUST_COPY)); // NOLINT: it is copied
}

// A large answer, until it is sent.
struct Parts {
    std::vector<std::string> parts;
    std::atomic<int> &in_flight;
};

// Sends `parts` without copying them into one. Counts itself among `in_flight` until it is sent.
Response make_response(std::vector<std::string> parts, std::atomic<int> &in_flight)
{
    auto kept = std::make_unique<Parts>(std::move(parts), in_flight);
    std::vector<MHD_IoVec> pieces;
    for (const auto &part : kept->parts)
        pieces.push_back({part.data(), part.size()});
    Response response(MHD_create_response_from_iovec(
        pieces.data(), static_cast<unsigned>(pieces.size()),
        [](void *sent) {
            const std::unique_ptr<Parts> ended(static_cast<Parts *>(sent));
            ended->in_flight--;
        },
        kept.get()));
    if (response) {
        in_flight++;
        [[maybe_unused]] const Parts *given = kept.release(); // to the response
    }
    return response;
}

MHD_Result send(MHD_Connection *connection, unsigned status, const Response &response)
{
    MHD_add_response_header(response.get(), "X-Content-Type-Options", "nosniff");
    return MHD_queue_response(connection, status, response.get());
}

MHD_Result send(MHD_Connection *connection, unsigned status, std::string_view text,
                std::pair<const char *, const char *> header = {})
{
    const Response response = make_response(text);
    MHD_add_response_header(response.get(), "Content-Type", "text/plain; charset=utf-8");
    if (header.first)
        MHD_add_response_header(response.get(), header.first, header.second);
    return send(connection, status, response);
}

MHD_Result send_page(MHD_Connection *connection, const PageFile &file)
{
    const Response response = make_response(file.text);
    MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, file.content_type);
    MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
    // Nothing from elsewhere, and nothing in line: names of pods come from elsewhere.
    MHD_add_response_header(response.get(), "Content-Security-Policy",
                            "default-src 'none'; connect-src 'self'; script-src 'self'; style-src 'self'; "
                            "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    return send(connection, MHD_HTTP_OK, response);
}

std::string header_of(MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

std::unexpected<Error> cannot_listen(const std::string &address, std::string why)
{
    return failure("listen on", address, std::move(why));
}

Result<Fd> listen_on(const std::string &address)
{
    const std::size_t colon = address.rfind(':');
    std::string host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    if (colon == std::string::npos || colon + 1 == address.size() || host.empty())
        return cannot_listen(address, "it must be HOST:PORT, for example 127.0.0.1:9435");
    addrinfo hints = {};
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    hints.ai_socktype = SOCK_STREAM;
    addrinfo *found = nullptr;
    if (const int code = getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found); code != 0)
        return cannot_listen(address, gai_strerror(code));
    const AddressList addresses(found);
    Fd fd(socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int yes = 1;
    if (!fd || setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) != 0 ||
        bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || listen(fd.get(), SOMAXCONN) != 0)
        return failure("listen on", address, errno);
    return fd;
}

// Each connection has credentials of its own; the library wants some for all.
int no_certificate(gnutls_session_t /*session*/, const gnutls_cert_retr_st * /*info*/,
                   gnutls_pcert_st ** /*certs*/, unsigned * /*count*/, gnutls_ocsp_data_st ** /*ocsp*/,
                   unsigned * /*ocsp_count*/, gnutls_privkey_t * /*key*/, unsigned * /*flags*/)
{
    return -1;
}

} // namespace

class Server::Implementation
{
public:
    Implementation(WebConfig config, const Collector &collector, const Health &health)
        : collector_(collector), health_(health), config_(std::move(config)), users_(config_)
    {
    }

    Result<void> start(const std::string &address)
    {
        auto socket = listen_on(address);
        if (!socket)
            return std::unexpected(socket.error());
        std::vector<MHD_OptionItem> options = {
            {MHD_OPTION_LISTEN_SOCKET, socket->release(), nullptr},
            {MHD_OPTION_THREAD_POOL_SIZE, threads, nullptr},
            {MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, nullptr},
            {MHD_OPTION_CONNECTION_LIMIT, most_connections, nullptr},
            {MHD_OPTION_PER_IP_CONNECTION_LIMIT, most_of_one_address, nullptr},
            {MHD_OPTION_CONNECTION_MEMORY_LIMIT, most_of_a_request, nullptr},
            {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
        };
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
        if (config_.tls) {
            if (auto credentials = read_tls_credentials(*config_.tls); !credentials)
                return std::unexpected(credentials.error());
            flags |= MHD_USE_TLS;
            options.push_back(
                {MHD_OPTION_NOTIFY_CONNECTION, reinterpret_cast<std::intptr_t>(on_connection), this});
            options.push_back(
                {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, reinterpret_cast<void *>(no_certificate)});
            options.push_back({MHD_OPTION_HTTPS_PRIORITIES, 0,
                               const_cast<char *>(tls_priorities(*config_.tls))}); // NOLINT: only read
        }
        options.push_back({MHD_OPTION_END, 0, nullptr});
        daemon_.reset(MHD_start_daemon(flags, 0, nullptr, nullptr, on_request, this, MHD_OPTION_ARRAY,
                                       options.data(), MHD_OPTION_END));
        if (!daemon_)
            return cannot_listen(address, "the HTTP server does not start");
        return {};
    }

private:
    static MHD_Result on_request(void *self, MHD_Connection *connection, const char *path,
                                 const char *method, const char * /*version*/, const char * /*body*/,
                                 std::size_t * /*size*/, void ** /*request*/)
    {
        return static_cast<Implementation *>(self)->answer(connection, path, method);
    }

    // Certificates are read when a client comes, so that renewed ones count at once.
    static void on_connection(void *self, MHD_Connection *connection, void **kept,
                              MHD_ConnectionNotificationCode what)
    {
        if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
            const std::unique_ptr<TlsCredentials> ended(static_cast<TlsCredentials *>(*kept));
            return;
        }
        const auto &tls = *static_cast<Implementation *>(self)->config_.tls;
        auto credentials = read_tls_credentials(tls);
        if (!credentials) // half renewed: there is no certificate to show, and the connection ends
            return;
        const auto *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        auto owned = std::make_unique<TlsCredentials>(std::move(*credentials));
        use_tls_credentials(static_cast<gnutls_session_t>(info->tls_session), tls, *owned);
        *kept = owned.release();
    }

    MHD_Result answer(MHD_Connection *connection, const std::string &path, std::string_view method)
    {
        if (!users_.may_ask(path, header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION)))
            return send(connection, MHD_HTTP_UNAUTHORIZED, "who are you?\n",
                        {MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"podrttd\""});
        if (method != MHD_HTTP_METHOD_GET && method != MHD_HTTP_METHOD_HEAD) // there is nothing to write
            return send(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n",
                        {MHD_HTTP_HEADER_ALLOW, "GET, HEAD"});
        if (path == "/metrics")
            return scrape(connection);
        if (path == "/pods.json")
            return show(connection);
        if (const auto file = page_files().find(path); file != page_files().end())
            return send_page(connection, file->second);
        if (path == "/healthz")
            return check(connection, health_.alive(Health::Clock::now()),
                         "no pass over the pods for 10 s\n");
        if (path == "/readyz")
            return check(connection, health_.ready(), "not all pods have been looked at yet\n");
        return send(connection, MHD_HTTP_NOT_FOUND, "there are /, /metrics, /healthz and /readyz\n");
    }

    static MHD_Result check(MHD_Connection *connection, bool holds, const char *otherwise)
    {
        return holds ? send(connection, MHD_HTTP_OK, "ok\n")
                     : send(connection, MHD_HTTP_SERVICE_UNAVAILABLE, otherwise);
    }

    MHD_Result scrape(MHD_Connection *connection)
    {
        // One at a time, however many ask: what a scrape takes is taken once. And few answers that
        // wait for slow readers.
        const std::lock_guard lock(scraping_);
        if (in_flight_ >= most_in_flight)
            return send(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many scrapes at a time\n");
        TextExposition text;
        ProtobufExposition protobuf;
        Exposition &exposition = prefers_protobuf(header_of(connection, MHD_HTTP_HEADER_ACCEPT))
                                     ? static_cast<Exposition &>(protobuf)
                                     : static_cast<Exposition &>(text);
        collector_.collect(exposition);
        const Response response = make_response(exposition.take_parts(), in_flight_);
        if (!response)
            return MHD_NO;
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, exposition.content_type());
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_ACCEPT);
        return send(connection, MHD_HTTP_OK, response);
    }

    MHD_Result show(MHD_Connection *connection)
    {
        const std::lock_guard lock(scraping_);
        if (in_flight_ >= most_in_flight)
            return send(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "too many at a time\n");
        std::vector<std::string> parts;
        parts.push_back(collector_.page_data());
        if (parts.front().empty())
            return send(connection, MHD_HTTP_SERVICE_UNAVAILABLE, "the maps cannot be read; see the log\n");
        const Response response = make_response(std::move(parts), in_flight_);
        if (!response)
            return MHD_NO;
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
        return send(connection, MHD_HTTP_OK, response);
    }

    const Collector &collector_;
    const Health &health_;
    const WebConfig config_;
    Users users_;
    std::mutex scraping_;
    std::atomic<int> in_flight_ = 0;
    Handle<MHD_Daemon, MHD_stop_daemon> daemon_; // ends before what it uses
};

Server::Server(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation))
{
}
Server::Server(Server &&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::string &address, const WebConfig &config,
                             const Collector &collector, const Health &health)
{
    auto implementation = std::make_unique<Implementation>(config, collector, health);
    if (auto started = implementation->start(address); !started)
        return std::unexpected(started.error());
    return Server(std::move(implementation));
}

} // namespace podrtt
