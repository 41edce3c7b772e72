// SPDX-License-Identifier: Apache-2.0
//
// The file of --web.config.file, in the format of Prometheus' exporter-toolkit: TLS and who may
// ask. Of that format podrttd knows tls_server_config with cert_file, key_file, client_auth_type,
// client_ca_file and min_version, basic_auth_users, and auth_excluded_paths.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bpf/user/error.h"

namespace podrtt
{

enum class TlsVersion { tls12, tls13 };

struct TlsConfig {
    std::string certificate; // path of a PEM file, the chain included
    std::string key;         // the same, of the private key
    std::string client_ca;   // the same, of who signs clients' certificates
    bool needs_client_certificate = false;
    TlsVersion min_version = TlsVersion::tls12;
};

struct WebConfig {
    std::optional<TlsConfig> tls;             // else plain HTTP
    std::map<std::string, std::string> users; // to bcrypt hashes of their passwords; none: everybody
    std::vector<std::string> open_paths;      // for everybody, users or not
};

// Relative paths in the file begin at its directory. A key that is not known is an error, for it
// may be one that should keep somebody out; all mistakes are reported together.
Result<WebConfig> read_web_config(const std::filesystem::path &path);

// Whether the value of an Authorization header (RFC 7617) is that of one of the users. Takes the
// time that bcrypt takes, known user or not.
bool is_user(const WebConfig &config, const std::string &authorization);

} // namespace podrtt
