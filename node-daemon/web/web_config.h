// SPDX-License-Identifier: Apache-2.0
//
// The file of --web.config.file, in the format of Prometheus' exporter-toolkit: TLS, who may ask, how
// often, and what each answer says in its headers
// (https://github.com/prometheus/exporter-toolkit/blob/master/docs/web-configuration.md).
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

// Of clients' certificates, as Go's crypto/tls has them.
enum class ClientAuth { none, request, require_any, verify_if_given, require_and_verify };

// A PEM text: of a file, or as the configuration has it.
struct Pem {
    std::filesystem::path file; // read when it is needed, so that renewed certificates count
    std::string text;           // if there is no file

    bool empty() const { return file.empty() && text.empty(); }
};

struct TlsConfig {
    Pem certificate; // the chain included
    Pem key;
    Pem client_ca; // of who signs clients' certificates; none: whom the system believes
    ClientAuth client_auth = ClientAuth::none;
    std::vector<std::string> client_names; // of which a certificate must have one; none: any will do
    std::string priorities; // versions, ciphers and curves, as gnutls_priority_init(3) has them
};

// A request for each interval, and so many at once. No interval: no limit.
struct RateLimitConfig {
    std::chrono::nanoseconds interval{0};
    unsigned burst = 1;

    bool operator==(const RateLimitConfig &) const = default;
};

struct WebConfig {
    std::optional<TlsConfig> tls;               // else plain HTTP
    std::map<std::string, std::string> users;   // to bcrypt hashes of their passwords; none: everybody
    std::vector<std::string> open_paths;        // for everybody, users and certificates or not
    std::map<std::string, std::string> headers; // of each answer, in the place of our own
    RateLimitConfig rate_limit;
    std::vector<std::string> warnings; // what the file asks for and means nothing here

    bool is_open(const std::string &path) const;
};

// Relative paths in the file begin at its directory. A key that is not known is an error, for it
// may be one that should keep somebody out; all mistakes are reported together.
Result<WebConfig> read_web_config(const std::filesystem::path &path);

// Whether the value of an Authorization header (RFC 7617) is that of one of the users. Takes the
// time that bcrypt takes, known user or not.
bool is_user(const WebConfig &config, const std::string &authorization);

} // namespace podrtt
