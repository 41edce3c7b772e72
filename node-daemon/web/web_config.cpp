// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config.h"

#include <crypt.h>
#include <gnutls/gnutls.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace podrtt
{
namespace
{

// Collects what is wrong with a file.
class Mistakes
{
public:
    void add(const std::string &mistake) { text_ += (text_.empty() ? "" : "; ") + mistake; }
    const std::string &text() const { return text_; }

private:
    std::string text_;
};

std::string text_of(const YAML::Node &node, const std::string &key, Mistakes &mistakes)
{
    if (node.IsScalar())
        return node.Scalar();
    mistakes.add("\"" + key + "\" must be a text");
    return "";
}

std::string file_of(const YAML::Node &node, const std::string &key, const std::filesystem::path &directory,
                    Mistakes &mistakes)
{
    const std::string name = text_of(node, key, mistakes);
    const std::string path = directory / name;
    if (!name.empty() && access(path.c_str(), R_OK) != 0)
        mistakes.add("\"" + key + "\": " + path + ": " + std::strerror(errno));
    return path;
}

TlsConfig read_tls(const YAML::Node &node, const std::filesystem::path &directory, Mistakes &mistakes)
{
    TlsConfig tls;
    if (!node.IsMap()) {
        mistakes.add("\"tls_server_config\" must hold keys and values");
        return tls;
    }
    for (const auto &item : node) {
        const auto key = item.first.as<std::string>();
        if (key == "cert_file") {
            tls.certificate = file_of(item.second, key, directory, mistakes);
        } else if (key == "key_file") {
            tls.key = file_of(item.second, key, directory, mistakes);
        } else if (key == "client_ca_file") {
            tls.client_ca = file_of(item.second, key, directory, mistakes);
        } else if (key == "client_auth_type") {
            const auto type = text_of(item.second, key, mistakes);
            tls.needs_client_certificate = type == "RequireAndVerifyClientCert";
            if (!tls.needs_client_certificate && type != "NoClientCert")
                mistakes.add("\"client_auth_type\" must be NoClientCert or RequireAndVerifyClientCert");
        } else if (key == "min_version") {
            const auto version = text_of(item.second, key, mistakes);
            tls.min_version = version == "TLS13" ? TlsVersion::tls13 : TlsVersion::tls12;
            if (version != "TLS12" && version != "TLS13")
                mistakes.add("\"min_version\" must be TLS12 or TLS13");
        } else {
            mistakes.add("unknown key \"tls_server_config." + key + "\"");
        }
    }
    if (tls.certificate.empty() || tls.key.empty())
        mistakes.add("\"tls_server_config\" needs cert_file and key_file");
    if (tls.needs_client_certificate == tls.client_ca.empty())
        mistakes.add("client_ca_file and client_auth_type RequireAndVerifyClientCert go together");
    return tls;
}

bool is_bcrypt(const std::string &hash)
{
    constexpr std::size_t length = 60;
    return hash.size() == length &&
           (hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$"));
}

void read_users(const YAML::Node &node, WebConfig &config, Mistakes &mistakes)
{
    if (!node.IsMap()) {
        mistakes.add("\"basic_auth_users\" must hold names and bcrypt hashes");
        return;
    }
    for (const auto &item : node) {
        const auto name = item.first.as<std::string>();
        config.users[name] = text_of(item.second, name, mistakes);
        if (!is_bcrypt(config.users[name]))
            mistakes.add("the password of \"" + name + "\" must be a bcrypt hash (htpasswd -nBC 10 NAME)");
    }
}

void read_all(const YAML::Node &root, const std::filesystem::path &directory, WebConfig &config,
              Mistakes &mistakes)
{
    if (!root.IsMap()) {
        if (!root.IsNull())
            mistakes.add("it must hold keys and values");
        return;
    }
    for (const auto &item : root) {
        const auto key = item.first.as<std::string>();
        if (key == "tls_server_config")
            config.tls = read_tls(item.second, directory, mistakes);
        else if (key == "basic_auth_users")
            read_users(item.second, config, mistakes);
        else if (key == "auth_excluded_paths" && item.second.IsSequence())
            for (const auto &path : item.second)
                config.open_paths.push_back(text_of(path, key, mistakes));
        else
            mistakes.add("unknown key \"" + key + "\"");
    }
}

std::string decode_base64(std::string_view text)
{
    // The function only reads it.
    const gnutls_datum_t encoded = {
        reinterpret_cast<unsigned char *>(const_cast<char *>(text.data())), // NOLINT
        static_cast<unsigned>(text.size())};
    gnutls_datum_t decoded = {};
    if (gnutls_base64_decode2(&encoded, &decoded) != GNUTLS_E_SUCCESS)
        return "";
    std::string result(reinterpret_cast<char *>(decoded.data), decoded.size);
    gnutls_free(decoded.data);
    return result;
}

} // namespace

Result<WebConfig> read_web_config(const std::filesystem::path &path)
{
    if (access(path.c_str(), R_OK) != 0)
        return failure("read", path, errno);
    WebConfig config;
    Mistakes mistakes;
    try {
        read_all(YAML::LoadFile(path), path.parent_path(), config, mistakes);
    } catch (const YAML::Exception &error) {
        mistakes.add(error.what());
    }
    if (!mistakes.text().empty())
        return failure("read", path, mistakes.text());
    return config;
}

bool is_user(const WebConfig &config, const std::string &authorization)
{
    constexpr std::string_view scheme = "Basic ";
    const std::string credentials =
        authorization.starts_with(scheme)
            ? decode_base64(std::string_view(authorization).substr(scheme.size()))
            : "";
    const std::size_t colon = credentials.find(':');
    if (colon == std::string::npos || config.users.empty())
        return false;
    const auto user = config.users.find(credentials.substr(0, colon));
    // An unknown name takes as long as a known one: it is tried as somebody's.
    const std::string expected = user != config.users.end() ? user->second : config.users.begin()->second;
    auto data = std::make_unique<crypt_data>();
    const char *hash = crypt_r(credentials.c_str() + colon + 1, expected.c_str(), data.get());
    return user != config.users.end() && hash && std::strlen(hash) == expected.size() &&
           gnutls_memcmp(hash, expected.data(), expected.size()) == 0;
}

} // namespace podrtt
