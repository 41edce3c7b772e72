// SPDX-License-Identifier: Apache-2.0
#include "server.h"

#include <httplib.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <mutex>
#include <numeric>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "exposition.h"

namespace podrtt
{
namespace
{

// A slow client keeps a thread for no longer; and how many may do so at a time.
constexpr std::chrono::seconds timeout{2};
constexpr std::size_t threads = 32;
constexpr int most_in_flight = 16; // scrapes, some MiB each

// Sends `parts`, which together may be large, without copying them into one.
// Counts itself among `in_flight` until it is sent.
void set_parts(httplib::Response &response, std::vector<std::string> parts, const char *type,
               std::atomic<int> &in_flight)
{
    const std::size_t length =
        std::accumulate(parts.begin(), parts.end(), std::size_t{0},
                        [](std::size_t sum, const std::string &part) { return sum + part.size(); });
    auto shared = std::make_shared<std::vector<std::string>>(std::move(parts));
    in_flight++;
    response.set_content_provider(
        length, type,
        [shared](std::size_t offset, std::size_t, httplib::DataSink &sink) {
            for (const auto &part : *shared) {
                if (offset < part.size())
                    return sink.write(part.data() + offset, part.size() - offset);
                offset -= part.size();
            }
            return false;
        },
        [&in_flight](bool) { in_flight--; });
}

void answer(httplib::Response &response, int status, const char *text)
{
    response.status = status;
    response.set_content(text, "text/plain; charset=utf-8");
}

bool split_address(const std::string &address, std::string &host, int &port)
{
    const std::size_t colon = address.rfind(':');
    if (colon == std::string::npos)
        return false;
    host = address.substr(0, colon);
    if (host.starts_with('[') && host.ends_with(']'))
        host = host.substr(1, host.size() - 2);
    const char *first = address.data() + colon + 1, *last = address.data() + address.size();
    const auto [end, error] = std::from_chars(first, last, port);
    return error == std::errc() && end == last && port > 0 && port < 65536 && !host.empty();
}

// Certificates are read when a client comes, so that renewed ones count at once.
int read_certificate(SSL *ssl, void *config)
{
    const auto &tls = *static_cast<const TlsConfig *>(config);
    return SSL_use_certificate_chain_file(ssl, tls.certificate.c_str()) == 1 &&
           SSL_use_PrivateKey_file(ssl, tls.key.c_str(), SSL_FILETYPE_PEM) == 1;
}

bool set_up_tls(SSL_CTX &context, TlsConfig &tls)
{
    SSL_CTX_set_min_proto_version(&context, tls.min_version);
    SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(&context, SSL_OP_NO_TICKET); // a certificate is asked for each time
    SSL_CTX_set_cert_cb(&context, read_certificate, &tls);
    if (!tls.needs_client_certificate)
        return true;
    SSL_CTX_set_verify(&context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    return SSL_CTX_load_verify_locations(&context, tls.client_ca.c_str(), nullptr) == 1;
}

} // namespace

class Server::Implementation
{
public:
    Implementation(WebConfig config, const Collector &collector, const Health &health)
        : collector_(collector), health_(health), config_(std::move(config))
    {
        if (config_.tls)
            http_ = std::make_unique<httplib::SSLServer>(
                [this](SSL_CTX &context) { return set_up_tls(context, *config_.tls); });
        else
            http_ = std::make_unique<httplib::Server>();
        http_->new_task_queue = [] { return new httplib::ThreadPool(threads); };
        http_->set_socket_options([](socket_t socket) {
            // Not SO_REUSEPORT, the library's default: a second server on the port would be let in.
            const int yes = 1;
            setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
        });
        http_->set_read_timeout(timeout);
        http_->set_write_timeout(timeout);
        http_->set_keep_alive_max_count(1);
        http_->set_pre_routing_handler(
            [this](const httplib::Request &request, httplib::Response &response) {
                response.set_header("X-Content-Type-Options", "nosniff");
                answer_to(request, response);
                return httplib::Server::HandlerResponse::Handled;
            });
    }

    ~Implementation()
    {
        http_->stop();
        if (thread_.joinable())
            thread_.join();
    }

    bool listen(const std::string &host, int port)
    {
        if (!http_->is_valid() || !http_->bind_to_port(host, port))
            return false;
        thread_ = std::thread([this] { http_->listen_after_bind(); });
        return true;
    }

private:
    void answer_to(const httplib::Request &request, httplib::Response &response)
    {
        if (!is_allowed(request.path, request.get_header_value("Authorization"))) {
            response.set_header("WWW-Authenticate", "Basic realm=\"podrttd\"");
            return answer(response, 401, "who are you?\n");
        }
        if (request.method != "GET" && request.method != "HEAD") { // there is nothing to write
            response.set_header("Allow", "GET, HEAD");
            return answer(response, 405, "only GET and HEAD\n");
        }
        if (request.path == "/metrics")
            return scrape(request.get_header_value("Accept"), response);
        if (request.path == "/healthz")
            return check(response, health_.alive(Health::Clock::now()), "no pass over the pods for 10 s\n");
        if (request.path == "/readyz")
            return check(response, health_.ready(), "not all pods have been looked at yet\n");
        answer(response, 404, "there are /metrics, /healthz and /readyz\n");
    }

    static void check(httplib::Response &response, bool holds, const char *otherwise)
    {
        answer(response, holds ? 200 : 503, holds ? "ok\n" : otherwise);
    }

    void scrape(const std::string &accept, httplib::Response &response)
    {
        // One at a time, however many ask: what a scrape takes is taken once. And few answers that
        // wait for slow readers.
        const std::lock_guard lock(scraping_);
        if (in_flight_ >= most_in_flight)
            return answer(response, 503, "too many scrapes at a time\n");
        TextExposition text;
        ProtobufExposition protobuf;
        Exposition &exposition = prefers_protobuf(accept) ? static_cast<Exposition &>(protobuf)
                                                          : static_cast<Exposition &>(text);
        collector_.collect(exposition);
        response.status = 200;
        response.set_header("Vary", "Accept");
        set_parts(response, exposition.take_parts(), exposition.content_type(), in_flight_);
    }

    bool is_allowed(const std::string &path, const std::string &authorization)
    {
        if (config_.users.empty() || std::ranges::count(config_.open_paths, path))
            return true;
        // bcrypt is slow by design: what was right once is known again by its hash.
        std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
        SHA256(reinterpret_cast<const unsigned char *>(authorization.data()), authorization.size(),
               digest.data());
        {
            const std::lock_guard lock(knowing_);
            if (known_.contains(digest))
                return true;
        }
        // One at a time, so that wrong passwords do not take all threads.
        const std::unique_lock checking(checking_, std::try_to_lock);
        if (!checking || !is_user(config_, authorization))
            return false;
        const std::lock_guard lock(knowing_);
        known_.insert(digest);
        return true;
    }

    const Collector &collector_;
    const Health &health_;
    WebConfig config_;
    std::unique_ptr<httplib::Server> http_;
    std::thread thread_;
    std::mutex scraping_;
    std::atomic<int> in_flight_ = 0;
    std::mutex checking_;
    std::mutex knowing_;
    std::set<std::array<unsigned char, SHA256_DIGEST_LENGTH>> known_; // of those that were right
};

Server::Server(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation))
{
}
Server::Server(Server &&) noexcept = default;
Server::~Server() = default;

Result<Server> Server::start(const std::string &address, const WebConfig &config,
                             const Collector &collector, const Health &health)
{
    std::string host;
    int port = 0;
    if (!split_address(address, host, port))
        return failure("listen on", address, "it must be HOST:PORT, for example 127.0.0.1:9435");
    auto implementation = std::make_unique<Implementation>(config, collector, health);
    if (!implementation->listen(host, port)) // the library does not say why
        return failure("listen on", address, "is the port taken, or HOST not of this machine?");
    return Server(std::move(implementation));
}

} // namespace podrtt
