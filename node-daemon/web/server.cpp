// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/server.h"

#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "bpf/user/every.h"
#include "bpf/user/fd.h"
#include "bpf/user/handle.h"
#include "node-daemon/web/clients.h"
#include "node-daemon/web/tls.h"

namespace podrtt
{
namespace
{

// Connections wait in the kernel, not in threads.
constexpr unsigned threads = 4;
constexpr unsigned most_connections = 480;    // together; of which some are being let go
constexpr unsigned most_of_one_address = 128; // so that no client takes all
// What a thread has to look at, its listening socket and wake-up with it, must stay below the 128 events
// that libmicrohttpd takes at a time: after exactly that many it waits for more before it looks at them.
static_assert(most_connections / threads + 2 < 128);
static_assert(Clients::most < most_connections);
constexpr std::size_t connection_memory =
    32768; // bytes for a request's headers, and for what is being sent

constexpr std::chrono::milliseconds look_interval{500}; // for clients whose time is over

using Clock = Clients::Clock;
using Daemon = Handle<MHD_Daemon, MHD_stop_daemon>;
using Response = Handle<MHD_Response, MHD_destroy_response>;

using SharedAnswer = std::shared_ptr<const Answer>;

ssize_t continue_sending(void *answer, std::uint64_t offset, char *to, std::size_t most)
{
    return static_cast<ssize_t>((*static_cast<const SharedAnswer *>(answer))->copy(offset, to, most));
}

Response make_response(SharedAnswer answer)
{
    constexpr std::size_t block = 16384;
    const std::size_t length = answer->length;
    auto owned = std::make_unique<SharedAnswer>(std::move(answer));
    Response response(
        MHD_create_response_from_callback(length, block, continue_sending, owned.get(), [](void *ended) {
            const std::unique_ptr<SharedAnswer> end(static_cast<SharedAnswer *>(ended));
        }));
    if (response) [[maybe_unused]]
        const SharedAnswer *given = owned.release(); // to the response
    return response;
}

Response make_response(std::string_view text)
{
    return Response(MHD_create_response_from_buffer(text.size(), const_cast<char *>(text.data()),
                                                    MHD_RESPMEM_MUST_COPY)); // NOLINT: it is copied
}

// The configuration's headers stand in the place of those of the same names.
MHD_Result send(MHD_Connection *connection, const Reply &reply, const WebConfig &config)
{
    const Response response = reply.answer ? make_response(reply.answer) : make_response(reply.text);
    if (!response)
        return MHD_NO;
    if (reply.answer)
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE,
                                reply.answer->content_type.c_str());
    std::map<std::string, std::string> headers = config.headers;
    headers.insert(reply.headers.begin(), reply.headers.end());
    headers.emplace("X-Content-Type-Options", "nosniff");
    for (const auto &[name, value] : headers)
        MHD_add_response_header(response.get(), name.c_str(), value.c_str());
    return MHD_queue_response(connection, reply.status, response.get());
}

std::string header_of(MHD_Connection *connection, const char *name)
{
    const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value ? value : "";
}

std::string peer_of(MHD_Connection *connection)
{
    const auto *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    char host[NI_MAXHOST] = "";
    if (info && info->client_addr)
        getnameinfo(info->client_addr, sizeof(sockaddr_storage), host, sizeof(host), nullptr, 0,
                    NI_NUMERICHOST);
    return host;
}

gnutls_session_t session_of(MHD_Connection *connection)
{
    return static_cast<gnutls_session_t>(
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION)->tls_session);
}

int socket_of(MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

// Each connection gets its own credentials; the library asks for some that all share.
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
    Implementation(WebConfigFile &config, Handler handler) : config_(config), handler_(std::move(handler))
    {
    }

    ~Implementation()
    {
        if (daemons_.empty())
            return;
        for (const int fd : listening_)
            shutdown(fd, SHUT_RDWR);
        // libmicrohttpd (0.9.75) must not be stopped while it refuses a malformed request: it expects the
        // refusal to be queued, which at that time it is not, and crashes.
        clients_.end();
    }

    Result<void> start(const std::vector<ListenAddress> &addresses)
    {
        const auto config = config_.get();
        if (config->tls)
            if (auto credentials = read_tls_credentials(*config->tls); !credentials)
                return std::unexpected(credentials.error());
        for (const auto &address : addresses)
            if (auto started = serve(address, config->tls.has_value()); !started)
                return started;
        cutting_ = std::jthread([this](const std::stop_token &stop) {
            every(look_interval, stop, [this] { clients_.cut_late(Clock::now()); });
        });
        return {};
    }

private:
    Result<void> serve(const ListenAddress &address, bool tls)
    {
        auto socket = listen_on(address);
        if (!socket)
            return std::unexpected(socket.error());
        listening_.push_back(socket->release());
        std::vector<MHD_OptionItem> options = {
            {MHD_OPTION_LISTEN_SOCKET, listening_.back(), nullptr},
            {MHD_OPTION_NOTIFY_CONNECTION, reinterpret_cast<std::intptr_t>(on_connection), this},
            {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<std::intptr_t>(on_completed), this},
            {MHD_OPTION_THREAD_POOL_SIZE, threads, nullptr},
            {MHD_OPTION_CONNECTION_LIMIT, most_connections, nullptr},
            {MHD_OPTION_PER_IP_CONNECTION_LIMIT, most_of_one_address, nullptr},
            {MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory, nullptr},
            {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
        };
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
        if (tls) {
            flags |= MHD_USE_TLS;
            options.push_back(
                {MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, reinterpret_cast<void *>(no_certificate)});
        }
        options.push_back({MHD_OPTION_END, 0, nullptr});
        Daemon daemon(MHD_start_daemon(flags, 0, nullptr, nullptr, on_request, this, MHD_OPTION_ARRAY,
                                       options.data(), MHD_OPTION_END));
        if (!daemon)
            return failure("serve on", address.text(), "the HTTP server does not start");
        daemons_.push_back(std::move(daemon));
        return {};
    }

    // Called when the headers are there, for each piece of a body, and when all is there. Who answers at
    // the first call gets the connection closed.
    static MHD_Result on_request(void *self, MHD_Connection *connection, const char *path,
                                 const char *method, const char * /*version*/, const char * /*body*/,
                                 std::size_t *size, void **request)
    {
        const bool first = !*request;
        *request = self;
        auto &server = *static_cast<Implementation *>(self);
        const std::string_view word = method;
        if (word != MHD_HTTP_METHOD_GET && word != MHD_HTTP_METHOD_HEAD) // there is nothing to write
            return send(connection,
                        {MHD_HTTP_METHOD_NOT_ALLOWED,
                         "only GET and HEAD\n",
                         nullptr,
                         {{MHD_HTTP_HEADER_ALLOW, "GET, HEAD"},
                          {MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8"}}},
                        *server.config_.get());
        if (first)
            return MHD_YES;
        if (*size) { // of no interest
            *size = 0;
            return MHD_YES;
        }
        const auto config = server.config_.get();
        // Who was let in by a configuration that holds no more comes again.
        if (const auto *known = connected_of(connection);
            known && known->config != config && config->tls && config->tls->client_auth != ClientAuth::none)
            return MHD_NO;
        const int fd = socket_of(connection);
        server.clients_.begin_answer(fd, Clock::now());
        const Reply reply = server.handler_(
            {.config = config,
             .path = path,
             .accept = header_of(connection, MHD_HTTP_HEADER_ACCEPT),
             .authorization = header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION),
             .peer = peer_of(connection),
             .accept_encoding = header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING),
             .is_known_client = !config->tls || is_known_client(session_of(connection), *config->tls)});
        if (reply.answer)
            server.clients_.begin_reading(fd, reply.answer);
        return send(connection, reply, *config);
    }

    static void on_completed(void *self, MHD_Connection *connection, void ** /*request*/,
                             MHD_RequestTerminationCode /*how*/)
    {
        static_cast<Implementation *>(self)->clients_.end_answer(socket_of(connection), Clock::now());
    }

    static void on_connection(void *self, MHD_Connection *connection, void **connected,
                              MHD_ConnectionNotificationCode what)
    {
        auto &server = *static_cast<Implementation *>(self);
        const int fd = socket_of(connection);
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
            server.clients_.add(fd, peer_of(connection), Clock::now());
            if (auto config = server.config_.get(); config->tls)
                *connected = give_credentials(connection, std::move(config)).release();
        } else {
            const std::unique_ptr<Connected> ended(static_cast<Connected *>(*connected));
            server.clients_.remove(fd);
        }
    }

    // What a connection by TLS began with.
    struct Connected {
        std::shared_ptr<const WebConfig> config;
        TlsCredentials credentials;
    };

    // Certificates are read when a client comes, so that renewed ones count at once.
    static std::unique_ptr<Connected> give_credentials(MHD_Connection *connection,
                                                       std::shared_ptr<const WebConfig> config)
    {
        auto credentials = read_tls_credentials(*config->tls);
        if (!credentials) // half renewed: there is no certificate to show, and the connection ends
            return nullptr;
        auto connected = std::make_unique<Connected>(std::move(config), std::move(*credentials));
        begin_tls(session_of(connection), *connected->config->tls, connected->credentials,
                  !connected->config->open_paths.empty());
        return connected;
    }

    static const Connected *connected_of(MHD_Connection *connection)
    {
        const auto *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        return info ? static_cast<const Connected *>(info->socket_context) : nullptr;
    }

    WebConfigFile &config_;
    const Handler handler_;
    Clients clients_;
    std::vector<int> listening_;  // the daemons'
    std::vector<Daemon> daemons_; // one an address; end before what they use
    std::jthread cutting_;
};

Server::Server(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation))
{
}
Server::Server(Server &&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::vector<ListenAddress> &addresses, WebConfigFile &config,
                             Handler handler)
{
    auto implementation = std::make_unique<Implementation>(config, std::move(handler));
    if (auto started = implementation->start(addresses); !started)
        return std::unexpected(started.error());
    return Server(std::move(implementation));
}

} // namespace podrtt
