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
using Response = Handle<MHD_Response, MHD_destroy_response>;
using AddressList = Handle<addrinfo, freeaddrinfo>;

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

MHD_Result send(MHD_Connection *connection, const Reply &reply)
{
    const Response response = reply.answer ? make_response(reply.answer) : make_response(reply.text);
    if (!response)
        return MHD_NO;
    if (reply.answer)
        MHD_add_response_header(response.get(), MHD_HTTP_HEADER_CONTENT_TYPE,
                                reply.answer->content_type.c_str());
    for (const auto &[name, value] : reply.headers)
        MHD_add_response_header(response.get(), name.c_str(), value.c_str());
    MHD_add_response_header(response.get(), "X-Content-Type-Options", "nosniff");
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

int socket_of(MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
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
    Implementation(WebConfig config, Handler handler)
        : config_(std::move(config)), handler_(std::move(handler))
    {
    }

    ~Implementation()
    {
        if (!daemon_)
            return;
        shutdown(listening_, SHUT_RDWR);
        // libmicrohttpd (0.9.75) must not be stopped while it refuses a malformed request: it expects the
        // refusal to be queued, which at that time it is not, and crashes.
        clients_.end();
    }

    Result<void> start(const std::string &address)
    {
        auto socket = listen_on(address);
        if (!socket)
            return std::unexpected(socket.error());
        listening_ = socket->release();
        std::vector<MHD_OptionItem> options = {
            {MHD_OPTION_LISTEN_SOCKET, listening_, nullptr},
            {MHD_OPTION_NOTIFY_CONNECTION, reinterpret_cast<std::intptr_t>(on_connection), this},
            {MHD_OPTION_NOTIFY_COMPLETED, reinterpret_cast<std::intptr_t>(on_completed), this},
            {MHD_OPTION_THREAD_POOL_SIZE, threads, nullptr},
            {MHD_OPTION_CONNECTION_LIMIT, most_connections, nullptr},
            {MHD_OPTION_PER_IP_CONNECTION_LIMIT, most_of_one_address, nullptr},
            {MHD_OPTION_CONNECTION_MEMORY_LIMIT, connection_memory, nullptr},
            {MHD_OPTION_STRICT_FOR_CLIENT, 1, nullptr},
        };
        unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD;
        if (config_.tls) {
            if (auto credentials = read_tls_credentials(*config_.tls); !credentials)
                return std::unexpected(credentials.error());
            flags |= MHD_USE_TLS;
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
        cutting_ = std::jthread([this](const std::stop_token &stop) {
            every(look_interval, stop, [this] { clients_.cut_late(Clock::now()); });
        });
        return {};
    }

private:
    // Called when the headers are there, for each piece of a body, and when all is there. Who answers at
    // the first call gets the connection closed.
    static MHD_Result on_request(void *self, MHD_Connection *connection, const char *path,
                                 const char *method, const char * /*version*/, const char * /*body*/,
                                 std::size_t *size, void **request)
    {
        const bool first = !*request;
        *request = self;
        const std::string_view word = method;
        if (word != MHD_HTTP_METHOD_GET && word != MHD_HTTP_METHOD_HEAD) // there is nothing to write
            return send(connection, {MHD_HTTP_METHOD_NOT_ALLOWED,
                                     "only GET and HEAD\n",
                                     nullptr,
                                     {{MHD_HTTP_HEADER_ALLOW, "GET, HEAD"},
                                      {MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8"}}});
        if (first)
            return MHD_YES;
        if (*size) { // of no interest
            *size = 0;
            return MHD_YES;
        }
        auto &server = *static_cast<Implementation *>(self);
        const int fd = socket_of(connection);
        server.clients_.begin_answer(fd, Clock::now());
        const Reply reply =
            server.handler_({path, header_of(connection, MHD_HTTP_HEADER_ACCEPT),
                             header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION), peer_of(connection),
                             header_of(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING)});
        if (reply.answer)
            server.clients_.begin_reading(fd, reply.answer);
        return send(connection, reply);
    }

    static void on_completed(void *self, MHD_Connection *connection, void ** /*request*/,
                             MHD_RequestTerminationCode /*how*/)
    {
        static_cast<Implementation *>(self)->clients_.end_answer(socket_of(connection), Clock::now());
    }

    static void on_connection(void *self, MHD_Connection *connection, void **credentials,
                              MHD_ConnectionNotificationCode what)
    {
        auto &server = *static_cast<Implementation *>(self);
        const int fd = socket_of(connection);
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
            server.clients_.add(fd, peer_of(connection), Clock::now());
            if (server.config_.tls)
                *credentials = give_credentials(connection, *server.config_.tls).release();
        } else {
            const std::unique_ptr<TlsCredentials> ended(static_cast<TlsCredentials *>(*credentials));
            server.clients_.remove(fd);
        }
    }

    // Certificates are read when a client comes, so that renewed ones count at once.
    static std::unique_ptr<TlsCredentials> give_credentials(MHD_Connection *connection,
                                                            const TlsConfig &tls)
    {
        auto credentials = read_tls_credentials(tls);
        if (!credentials) // half renewed: there is no certificate to show, and the connection ends
            return nullptr;
        const auto *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
        auto owned = std::make_unique<TlsCredentials>(std::move(*credentials));
        use_tls_credentials(static_cast<gnutls_session_t>(info->tls_session), tls, *owned);
        return owned;
    }

    const WebConfig config_;
    const Handler handler_;
    Clients clients_;
    int listening_ = -1;                         // the daemon's
    Handle<MHD_Daemon, MHD_stop_daemon> daemon_; // ends before what it uses
    std::jthread cutting_;
};

Server::Server(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation))
{
}
Server::Server(Server &&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::string &address, const WebConfig &config, Handler handler)
{
    auto implementation = std::make_unique<Implementation>(config, std::move(handler));
    if (auto started = implementation->start(address); !started)
        return std::unexpected(started.error());
    return Server(std::move(implementation));
}

} // namespace podrtt
