// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "bpf/user/fd.h"
#include "node-daemon/web/tls.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A port that was free a moment ago.
std::uint16_t free_port()
{
    const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr *>(&address), size), 0);
    EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr *>(&address), &size), 0);
    return ntohs(address.sin_port);
}

WebConfig with_headers()
{
    WebConfig config;
    config.headers = {{"X-Test", "2"}, {"X-More", "3"}};
    return config;
}

class Serving : public testing::Test
{
protected:
    Result<Server> start()
    {
        return Server::start({{"127.0.0.1", std::to_string(port_)}}, config_, [](const Request &request) {
            Reply reply;
            reply.text = request.path + " " + request.accept;
            reply.headers = {{"X-Own", "1"}, {"X-Test", "1"}};
            if (request.path == "/large")
                reply.answer = std::make_shared<const Answer>(
                    "text/x", std::vector<std::string>(8'000, std::string(1000, 'x')));
            return reply;
        });
    }

    Fd connected() const
    {
        Fd fd(socket(AF_INET, SOCK_STREAM, 0));
        const int small = 65536; // so that what is large does not fit into what the kernel keeps
        EXPECT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
        sockaddr_in address = {};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(port_);
        EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0);
        return fd;
    }

    // A connection on which the request has been sent.
    Fd send(const std::string &request) const
    {
        Fd fd = connected();
        const std::string text =
            request + " HTTP/1.1\r\nHost: x\r\nAccept: a/b\r\nConnection: close\r\n\r\n";
        EXPECT_EQ(write(fd.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
        return fd;
    }

    std::string ask(const std::string &request) const { return receive(send(request)); }

    static std::string receive(const Fd &fd)
    {
        std::string answer;
        char piece[4096];
        for (ssize_t size = 0; (size = read(fd.get(), piece, sizeof(piece))) > 0;)
            answer.append(piece, static_cast<std::size_t>(size));
        return answer;
    }

    const std::uint16_t port_ = free_port();
    WebConfigFile config_{with_headers()};
};

TEST_F(Serving, PassesTheRequestOnAndSendsTheReply)
{
    auto server = start();
    ASSERT_TRUE(server) << server.error().message();
    EXPECT_THAT(ask("GET /path"), HasSubstr("X-Own: 1\r\n"));
    EXPECT_THAT(ask("GET /path"), HasSubstr("X-Test: 2\r\n")); // the configuration's counts
    EXPECT_THAT(ask("GET /path"), HasSubstr("X-More: 3\r\n"));
    EXPECT_THAT(ask("GET /path"), Not(HasSubstr("X-Test: 1\r\n")));
    EXPECT_THAT(ask("GET /path"), HasSubstr("/path a/b"));
    EXPECT_EQ(ask("GET /large").size() - ask("HEAD /large").size(), 8'000'000u);
}

TEST_F(Serving, EndsWhenWhatIsBeingAnsweredHasBeen)
{
    auto server = start();
    ASSERT_TRUE(server);
    const std::size_t whole = ask("GET /large").size();
    const Fd slow = send("GET /large"), idle = connected();
    char byte = 0;
    ASSERT_EQ(recv(slow.get(), &byte, 1, MSG_PEEK), 1); // it is being answered
    std::jthread ending([&server] { const Server ended = std::move(*server); });
    EXPECT_EQ(recv(idle.get(), &byte, 1, 0), 0); // the end has come
    EXPECT_EQ(receive(slow).size(), whole);
}

TEST_F(Serving, OnlyReads)
{
    auto server = start();
    ASSERT_TRUE(server);
    EXPECT_THAT(ask("POST /path"), StartsWith("HTTP/1.1 405"));
}

TEST_F(Serving, ListensOnSeveralAddresses)
{
    const std::uint16_t other = free_port();
    auto server = Server::start({{"127.0.0.1", std::to_string(port_)}, {"", std::to_string(other)}},
                                config_, [](const Request &) { return Reply{200, "here", nullptr}; });
    ASSERT_TRUE(server) << server.error().message();
    EXPECT_THAT(ask("GET /"), HasSubstr("here"));
    const Fd fd(socket(AF_INET6, SOCK_STREAM, 0));
    sockaddr_in6 address = {};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    address.sin6_port = htons(other);
    EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof(address)), 0);
}

TEST_F(Serving, NamesAnAddressThatIsTaken)
{
    auto server = start();
    ASSERT_TRUE(server);
    auto second = start();
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message(), HasSubstr("127.0.0.1:" + std::to_string(port_)));
}

TEST(Tls, FilesThatAreMissingAreNamed)
{
    TlsConfig tls;
    tls.certificate.file = "/nonexistent.crt";
    tls.key.file = "/nonexistent.key";
    auto credentials = read_tls_credentials(tls);
    ASSERT_FALSE(credentials);
    EXPECT_THAT(credentials.error().message(), HasSubstr("/nonexistent.crt"));
}

} // namespace
} // namespace podrtt
