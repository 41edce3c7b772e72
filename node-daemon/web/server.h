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
#include "node-daemon/web/web_config.h"

namespace podrtt
{

// A GET or HEAD. Headers that were not sent are empty.
struct Request {
    std::string path;
    std::string accept;
    std::string authorization;
    std::string peer; // the client's address
    std::string accept_encoding = {};
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
    // `address` is HOST:PORT.
    static Result<Server> start(const std::string &address, const WebConfig &config, Handler handler);

    Server(Server &&) noexcept;
    ~Server();

private:
    class Implementation;

    explicit Server(std::unique_ptr<Implementation> implementation);

    std::unique_ptr<Implementation> implementation_;
};

} // namespace podrtt
