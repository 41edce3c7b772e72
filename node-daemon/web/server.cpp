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
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "bpf/user/fd.h"
#include "bpf/user/handle.h"
#include "node-daemon/web/tls.h"

namespace podrtt
{
namespace
{

// Connections wait in the kernel, not in threads.
constexpr unsigned threads = 4;
constexpr unsigned idle_seconds = 10;         // after which a connection is closed
constexpr unsigned most_connections = 480;    // together
constexpr unsigned most_of_one_address = 128; // so that no client takes all
// What a thread has to look at, its listening socket and wake-up with it, must stay below the 128 events
// that libmicrohttpd takes at a time: after exactly that many it waits for more before it looks at them.
static_assert(most_connections / threads + 2 < 128);
constexpr std::size_t connection_memory =
    32768; // bytes for a request's headers, and for what is being sent

// An answer of some MiB that is read slowly is given up: so few are in memory at a time, however many ask.
constexpr std::chrono::seconds deadline{10};
constexpr std::chrono::seconds end_deadline{2}; // for what is being answered when the server ends

using Clock = std::chrono::steady_clock;
using Response = Handle<MHD_Response, MHD_destroy_response>;
using AddressList = Handle<addrinfo, freeaddrinfo>;

// One client that an answer is being sent to.
struct Sending {
    std::shared_ptr<const Answer> answer;
    Clock::time_point until;
};

ssize_t continue_sending(void *sending, std::uint64_t offset, char *to, std::size_t most)
{
    const auto &[answer, until] = *static_cast<const Sending *>(sending);
    if (Clock::now() > until)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    return static_cast<ssize_t>(answer->copy(offset, to, most));
}

Response make_response(std::shared_ptr<const Answer> answer)
{
    constexpr std::size_t block = 16384;
    const std::size_t length = answer->length;
    auto sending = std::make_unique<Sending>(std::move(answer), Clock::now() + deadline);
    Response response(
        MHD_create_response_from_callback(length, block, continue_sending, sending.get(), [](void *ended) {
            const std::unique_ptr<Sending> end(static_cast<Sending *>(ended));
        }));
    if (response) [[maybe_unused]]
        const Sending *given = sending.release(); // to the response
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

// The sockets of all clients. libmicrohttpd (0.9.75) must not be stopped while it refuses a malformed
// request: it expects the refusal to be queued, which at that time it is not, and crashes.
class Clients
{
public:
    void add(int fd)
    {
        const std::lock_guard lock(mutex_);
        fds_.insert(fd);
        if (ending_)
            shutdown(fd, SHUT_RDWR);
    }

    void remove(int fd) // before it is closed
    {
        const std::lock_guard lock(mutex_);
        fds_.erase(fd);
        removed_.notify_one();
    }

    // Cuts all of them, now and later, and waits until they are gone.
    void end()
    {
        std::unique_lock lock(mutex_);
        ending_ = true;
        for (const int fd : fds_)
            shutdown(fd, SHUT_RDWR);
        removed_.wait_for(lock, end_deadline, [this] { return fds_.empty(); });
    }

private:
    std::mutex mutex_;
    std::condition_variable removed_;
    std::set<int> fds_;
    bool ending_ = false;
};

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
            {MHD_OPTION_THREAD_POOL_SIZE, threads, nullptr},
            {MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds, nullptr},
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
        return send(connection,
                    static_cast<Implementation *>(self)->handler_(
                        {path, header_of(connection, MHD_HTTP_HEADER_ACCEPT),
                         header_of(connection, MHD_HTTP_HEADER_AUTHORIZATION), peer_of(connection)}));
    }

    static void on_connection(void *self, MHD_Connection *connection, void **credentials,
                              MHD_ConnectionNotificationCode what)
    {
        auto &server = *static_cast<Implementation *>(self);
        const int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        if (what == MHD_CONNECTION_NOTIFY_STARTED) {
            server.clients_.add(fd);
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
