// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/web_config.h"

#include <crypt.h>
#include <gnutls/gnutls.h>
#include <spdlog/fmt/fmt.h>
#include <strings.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>
#include <iterator>
#include <string_view>
#include <utility>

#include "bpf/user/duration.h"
#include "bpf/user/file.h"

namespace podrtt
{
namespace
{

template <typename Value>
using Word = std::pair<std::string_view, Value>;

// Reads values of the file, and collects what is wrong with them.
class Reader
{
public:
    explicit Reader(std::filesystem::path directory) : directory_(std::move(directory)) {}

    const std::string &mistakes() const { return mistakes_; }
    void add_mistake(const std::string &mistake) { mistakes_ += (mistakes_.empty() ? "" : "; ") + mistake; }

    using Setter = std::function<void(const YAML::Node &, const std::string &key)>;
    using Setters = std::map<std::string, Setter>;

    // Calls the setter of each key; `section` is what they stand below.
    void read_map(const YAML::Node &node, const std::string &section, const Setters &setters)
    {
        if (node.IsNull())
            return;
        if (!node.IsMap()) {
            add_mistake((section.empty() ? "it" : "\"" + section + "\"") + " must hold keys and values");
            return;
        }
        for (const auto &item : node) {
            const auto key = item.first.IsScalar() ? item.first.Scalar() : "";
            if (const auto setter = setters.find(key); setter != setters.end())
                setter->second(item.second, key);
            else
                add_mistake(
                    fmt::format("unknown key \"{}{}{}\"", section, section.empty() ? "" : ".", key));
        }
    }

    std::string text(const YAML::Node &node, const std::string &key)
    {
        if (node.IsScalar() || node.IsNull())
            return node.IsNull() ? "" : node.Scalar();
        add_mistake("\"" + key + "\" must be a text");
        return "";
    }

    std::vector<std::string> texts(const YAML::Node &node, const std::string &key)
    {
        std::vector<std::string> found;
        for (const auto &item : list(node, key))
            found.push_back(text(item, key));
        return found;
    }

    std::filesystem::path file(const YAML::Node &node, const std::string &key)
    {
        const std::string name = text(node, key);
        if (name.empty())
            return {};
        const auto path = directory_ / name;
        if (access(path.c_str(), R_OK) != 0)
            add_mistake("\"" + key + "\": " + path.string() + ": " + std::strerror(errno));
        return path;
    }

    template <typename Value, std::size_t count>
    std::vector<Value> words(const YAML::Node &node, const std::string &key,
                             const Word<Value> (&known)[count])
    {
        std::vector<Value> chosen;
        for (const auto &item : list(node, key))
            chosen.push_back(word(item, key, known));
        return chosen;
    }

    // The value of one of `words`, or of the first if it is none of them.
    template <typename Value, std::size_t count>
    Value word(const YAML::Node &node, const std::string &key, const Word<Value> (&words)[count])
    {
        const auto wanted = text(node, key);
        const auto *found = std::ranges::find(words, wanted, &Word<Value>::first);
        if (found != std::end(words))
            return found->second;
        std::string known;
        for (const auto &[name, value] : words)
            known += (known.empty() ? "" : ", ") + std::string(name);
        add_mistake("\"" + key + "\" must be one of " + known + ", not \"" + wanted + "\"");
        return words[0].second;
    }

    bool yes(const YAML::Node &node, const std::string &key)
    {
        constexpr Word<bool> words[] = {{"false", false}, {"true", true}};
        return word(node, key, words);
    }

    // Bounds are of what makes sense.
    unsigned number(const YAML::Node &node, const std::string &key, unsigned most)
    {
        const auto wanted = text(node, key);
        unsigned value = 0;
        const auto [end, error] = std::from_chars(wanted.data(), wanted.data() + wanted.size(), value);
        if (error != std::errc() || end != wanted.data() + wanted.size() || value > most)
            add_mistake("\"" + key + "\" must be a number up to " + std::to_string(most));
        return value;
    }

    std::chrono::nanoseconds duration(const YAML::Node &node, const std::string &key)
    {
        const auto value = parse_duration(text(node, key));
        if (!value || *value > std::chrono::hours(1))
            add_mistake("\"" + key + "\" must be a duration such as 1s, up to 1h");
        return value.value_or(std::chrono::nanoseconds(0));
    }

private:
    // The node, or an empty one if it is no list.
    YAML::Node list(const YAML::Node &node, const std::string &key)
    {
        if (node.IsSequence())
            return node;
        if (!node.IsNull())
            add_mistake("\"" + key + "\" must be a list");
        return YAML::Node(YAML::NodeType::Sequence);
    }

    std::filesystem::path directory_;
    std::string mistakes_;
};

// Words of crypto/tls, and what GnuTLS calls the same.

constexpr Word<ClientAuth> client_auths[] = {
    {"NoClientCert", ClientAuth::none},
    {"RequestClientCert", ClientAuth::request},
    {"RequireAnyClientCert", ClientAuth::require_any},
    {"VerifyClientCertIfGiven", ClientAuth::verify_if_given},
    {"RequireAndVerifyClientCert", ClientAuth::require_and_verify}};

constexpr int min_tls = 0, tls12 = 2, max_tls = 3;
constexpr Word<int> versions[] = {{"TLS10", min_tls}, {"TLS11", 1}, {"TLS12", tls12}, {"TLS13", max_tls}};

constexpr Word<const char *> curves[] = {{"CurveP256", "+GROUP-SECP256R1"},
                                         {"CurveP384", "+GROUP-SECP384R1"},
                                         {"CurveP521", "+GROUP-SECP521R1"},
                                         {"X25519", "+GROUP-X25519"}};

struct CipherWords {
    const char *exchange; // null: of TLS 1.3, which has no choice
    const char *cipher;
    const char *mac;
};

constexpr const char *rsa = "+RSA", *ecdhe_rsa = "+ECDHE-RSA", *ecdhe_ecdsa = "+ECDHE-ECDSA";
constexpr const char *aes128 = "+AES-128-CBC", *aes256 = "+AES-256-CBC";
constexpr const char *aes128_gcm = "+AES-128-GCM", *aes256_gcm = "+AES-256-GCM",
                     *chacha20 = "+CHACHA20-POLY1305";
constexpr const char *sha1 = "+SHA1", *aead = "+AEAD";

constexpr Word<CipherWords> ciphers[] = {
    {"TLS_AES_128_GCM_SHA256", {nullptr, aes128_gcm, aead}},
    {"TLS_AES_256_GCM_SHA384", {nullptr, aes256_gcm, aead}},
    {"TLS_CHACHA20_POLY1305_SHA256", {nullptr, chacha20, aead}},
    {"TLS_RSA_WITH_AES_128_CBC_SHA", {rsa, aes128, sha1}},
    {"TLS_RSA_WITH_AES_256_CBC_SHA", {rsa, aes256, sha1}},
    {"TLS_RSA_WITH_AES_128_GCM_SHA256", {rsa, aes128_gcm, aead}},
    {"TLS_RSA_WITH_AES_256_GCM_SHA384", {rsa, aes256_gcm, aead}},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", {ecdhe_ecdsa, aes128, sha1}},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", {ecdhe_ecdsa, aes256, sha1}},
    {"TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", {ecdhe_rsa, aes128, sha1}},
    {"TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", {ecdhe_rsa, aes256, sha1}},
    {"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", {ecdhe_ecdsa, aes128_gcm, aead}},
    {"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", {ecdhe_ecdsa, aes256_gcm, aead}},
    {"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", {ecdhe_rsa, aes128_gcm, aead}},
    {"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", {ecdhe_rsa, aes256_gcm, aead}},
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", {ecdhe_ecdsa, chacha20, aead}},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", {ecdhe_rsa, chacha20, aead}},
    // Go's older names of the last two.
    {"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305", {ecdhe_ecdsa, chacha20, aead}},
    {"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305", {ecdhe_rsa, chacha20, aead}},
};

// What is asked for of TLS before it is one of GnuTLS' texts.
struct TlsChoice {
    int min_version = tls12;
    int max_version = max_tls;
    bool server_prefers = true;
    std::vector<CipherWords> ciphers;
    std::vector<const char *> curves;
};

// Both have a choice of exchanges, ciphers and MACs; GnuTLS of each on its own, so that what is allowed may
// be more than the list: the ciphers for RSA with an ECDSA key, say. TLS 1.3 is left out if none of the
// ciphers is for it.
std::string priorities(const TlsChoice &choice)
{
    std::vector<std::string> words = {"NORMAL"};
    const auto add = [&words](const char *word) {
        if (word && !std::ranges::count(words, word))
            words.emplace_back(word);
    };
    int max_version = choice.max_version;
    if (!choice.ciphers.empty()) {
        for (const char *none : {"-KX-ALL", "-CIPHER-ALL", "-MAC-ALL"})
            add(none);
        for (const auto &[exchange, cipher, mac] : choice.ciphers) {
            add(exchange);
            add(cipher);
            add(mac);
        }
        if (std::ranges::none_of(choice.ciphers,
                                 [](const CipherWords &chosen) { return chosen.mac == aead; }))
            max_version = std::min(max_version, tls12);
    }
    if (!choice.curves.empty()) {
        add("-GROUP-ALL");
        for (const char *curve : choice.curves)
            add(curve);
    }
    add("-VERS-ALL");
    constexpr const char *version_words[] = {"+VERS-TLS1.0", "+VERS-TLS1.1", "+VERS-TLS1.2",
                                             "+VERS-TLS1.3"};
    for (int version = max_version; version >= choice.min_version; version--)
        add(version_words[version]);
    if (choice.server_prefers)
        add("%SERVER_PRECEDENCE");
    std::string text;
    for (const auto &word : words)
        text += (text.empty() ? "" : ":") + word;
    return text;
}

// A file or its text, but not both.
void check_pem(Reader &reader, const Pem &pem, const std::string &key)
{
    if (!pem.file.empty() && !pem.text.empty())
        reader.add_mistake("either \"" + key + "\" or \"" + key + "_file\"");
}

std::optional<TlsConfig> read_tls(Reader &reader, const YAML::Node &node)
{
    TlsConfig tls;
    TlsChoice choice;
    // Puts what a function of the reader makes of the value there.
    const auto into = [&reader](auto &target, auto read) -> Reader::Setter {
        return [&reader, &target, read](const YAML::Node &value, const std::string &key) {
            target = (reader.*read)(value, key);
        };
    };
    reader.read_map(
        node, "tls_server_config",
        {{"cert", into(tls.certificate.text, &Reader::text)},
         {"cert_file", into(tls.certificate.file, &Reader::file)},
         {"key", into(tls.key.text, &Reader::text)},
         {"key_file", into(tls.key.file, &Reader::file)},
         {"client_ca", into(tls.client_ca.text, &Reader::text)},
         {"client_ca_file", into(tls.client_ca.file, &Reader::file)},
         {"client_auth_type",
          [&](const auto &value, const auto &key) {
              if (!reader.text(value, key).empty())
                  tls.client_auth = reader.word(value, key, client_auths);
          }},
         {"client_allowed_sans",
          [&](const auto &value, const auto &key) {
              tls.client_names = reader.texts(value, key);
              if (tls.client_names.empty() && value.IsSequence())
                  reader.add_mistake("\"" + key + "\" is empty: nobody would be let in");
          }},
         {"min_version", [&](const auto &value,
                             const auto &key) { choice.min_version = reader.word(value, key, versions); }},
         {"max_version", [&](const auto &value,
                             const auto &key) { choice.max_version = reader.word(value, key, versions); }},
         {"cipher_suites",
          [&](const auto &value, const auto &key) { choice.ciphers = reader.words(value, key, ciphers); }},
         {"prefer_server_cipher_suites", into(choice.server_prefers, &Reader::yes)},
         {"curve_preferences",
          [&](const auto &value, const auto &key) { choice.curves = reader.words(value, key, curves); }}});
    check_pem(reader, tls.certificate, "cert");
    check_pem(reader, tls.key, "key");
    check_pem(reader, tls.client_ca, "client_ca");
    const bool requires_one =
        tls.client_auth == ClientAuth::require_any || tls.client_auth == ClientAuth::require_and_verify;
    if (node.IsNull() || (node.IsMap() && node.size() == 0))
        return std::nullopt;
    if (tls.certificate.empty() || tls.key.empty())
        reader.add_mistake("\"tls_server_config\" needs cert_file and key_file");
    if (tls.client_auth == ClientAuth::none && !tls.client_ca.empty())
        reader.add_mistake("\"client_ca_file\" has no use without a client_auth_type such as "
                           "RequireAndVerifyClientCert");
    if (!tls.client_names.empty() && !requires_one)
        reader.add_mistake("\"client_allowed_sans\" takes a client_auth_type RequireAnyClientCert or "
                           "RequireAndVerifyClientCert");
    if (choice.min_version > choice.max_version)
        reader.add_mistake("\"min_version\" is beyond \"max_version\"");
    tls.priorities = priorities(choice);
    gnutls_priority_t priority = nullptr;
    if (gnutls_priority_init(&priority, tls.priorities.c_str(), nullptr) != GNUTLS_E_SUCCESS)
        reader.add_mistake("versions, \"cipher_suites\" and \"curve_preferences\" leave nothing to speak");
    gnutls_priority_deinit(priority);
    return tls;
}

bool is_bcrypt(const std::string &hash)
{
    constexpr std::size_t length = 60;
    return hash.size() == length &&
           (hash.starts_with("$2a$") || hash.starts_with("$2b$") || hash.starts_with("$2y$"));
}

void read_users(Reader &reader, const YAML::Node &node, WebConfig &config)
{
    if (node.IsNull())
        return;
    if (!node.IsMap()) {
        reader.add_mistake("\"basic_auth_users\" must hold names and bcrypt hashes");
        return;
    }
    for (const auto &item : node) {
        const auto name = reader.text(item.first, "basic_auth_users");
        config.users[name] = reader.text(item.second, name);
        if (!is_bcrypt(config.users[name]))
            reader.add_mistake("the password of \"" + name +
                               "\" must be a bcrypt hash (htpasswd -nBC 10 NAME)");
    }
}

void read_headers(Reader &reader, const YAML::Node &node, WebConfig &config)
{
    Reader::Setters setters;
    for (const char *name : {"Content-Security-Policy", "X-Frame-Options", "X-Content-Type-Options",
                             "X-XSS-Protection", "Strict-Transport-Security"})
        setters[name] = [&](const YAML::Node &value, const std::string &key) {
            auto text = reader.text(value, key);
            if (std::ranges::any_of(text, [](char letter) { return letter == '\r' || letter == '\n'; }))
                reader.add_mistake("\"" + key + "\" must be one line");
            else if (!text.empty())
                config.headers[key] = std::move(text);
        };
    reader.read_map(node, "http_server_config.headers", setters);
    const auto check = [&](const char *name, std::initializer_list<const char *> values) {
        const auto header = config.headers.find(name);
        if (header != config.headers.end() &&
            std::ranges::none_of(values, [&](const char *value) { return header->second == value; }))
            reader.add_mistake(std::string("\"") + name + "\" cannot be \"" + header->second + "\"");
    };
    check("X-Frame-Options", {"deny", "sameorigin"});
    check("X-Content-Type-Options", {"nosniff"});
}

void read_all(Reader &reader, const YAML::Node &root, WebConfig &config)
{
    reader.read_map(
        root, "",
        {{"tls_server_config",
          [&](const auto &node, const auto &) { config.tls = read_tls(reader, node); }},
         {"basic_auth_users", [&](const auto &node, const auto &) { read_users(reader, node, config); }},
         {"auth_excluded_paths",
          [&](const auto &node, const auto &key) { config.open_paths = reader.texts(node, key); }},
         {"rate_limit",
          [&](const auto &node, const auto &section) {
              reader.read_map(node, section,
                              {{"interval",
                                [&](const auto &value, const auto &key) {
                                    config.rate_limit.interval =
                                        reader.duration(value, section + "." + key);
                                }},
                               {"burst", [&](const auto &value, const auto &key) {
                                    config.rate_limit.burst =
                                        std::max(1U, reader.number(value, section + "." + key, 1'000'000));
                                }}});
          }},
         {"http_server_config", [&](const auto &node, const auto &section) {
              reader.read_map(
                  node, section,
                  {{"http2",
                    [&](const auto &value, const auto &key) {
                        if (reader.yes(value, key))
                            config.warnings.emplace_back("http2: podrttd speaks HTTP/1.1 alone");
                    }},
                   {"headers",
                    [&](const auto &value, const auto &) { read_headers(reader, value, config); }}});
          }}});
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

bool WebConfig::is_open(const std::string &path) const
{
    return std::ranges::count(open_paths, path) != 0;
}

Result<WebConfig> read_web_config(const std::filesystem::path &path)
{
    const auto text = read_file(path);
    if (!text)
        return std::unexpected(text.error());
    if (!*text)
        return failure("read", path, ENOENT);
    WebConfig config;
    Reader reader(path.parent_path());
    try {
        read_all(reader, YAML::Load(**text), config);
    } catch (const YAML::Exception &error) {
        reader.add_mistake(error.what());
    }
    if (!reader.mistakes().empty())
        return failure("read", path, reader.mistakes());
    return config;
}

bool is_user(const WebConfig &config, const std::string &authorization)
{
    constexpr std::string_view scheme = "Basic "; // in any case (RFC 7235)
    const std::string credentials =
        strncasecmp(authorization.c_str(), scheme.data(), scheme.size()) == 0
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
