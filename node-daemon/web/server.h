// SPDX-License-Identifier: Apache-2.0
//
// HTTP and HTTPS, for reading only. What there is to read is decided by a handler (routes.h).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bpf/user/error.h"
#include "node-daemon/web/answer.h"
#include "node-daemon/web/listen_address.h"
#include "node-daemon/web/web_config_file.h"

namespace podrtt
{

// A GET or HEAD. Headers that were not sent are empty.
struct Request {
    std::shared_ptr<const WebConfig> config; // that holds for it
    std::string path;
    std::string accept;
    std::string authorization;
    std::string peer; // the client's address
    std::string accept_encoding = {};
    bool is_known_client =
        true; // who has shown the certificate that the configuration asks for, if it does
};

struct Reply {
    unsigned status = 200;
    std::string text;                     // the body, unless there is an answer
    std::shared_ptr<const Answer> answer; // its content type counts, too
    std::vector<std::pair<std::string, std::string>> headers = {};
};

// Called in several threads at a time.
using Handler = std::function<Reply(const Request &)>;

// Starts threads, which end when it is destroyed.
class Server
{
public:
    // Listens on all of the addresses. `config` must outlive the server.
    static Result<Server> start(const std::vector<ListenAddress> &addresses, WebConfigFile &config,
                                Handler handler);

    Server(Server &&) noexcept;
    ~Server();

private:
    class Implementation;

    explicit Server(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

} // namespace podrtt
