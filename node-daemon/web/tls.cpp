// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/tls.h"

#include <arpa/inet.h>
#include <gnutls/x509.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "bpf/user/file.h"
#include "bpf/user/handle.h"

namespace podrtt
{
namespace
{

using Certificate = Handle<std::remove_pointer_t<gnutls_x509_crt_t>, gnutls_x509_crt_deinit>;

// A certificate that is made for clients; the servers' of the same authority will not do.
gnutls_typed_vdata_st for_clients = {
    GNUTLS_DT_KEY_PURPOSE_OID,
    reinterpret_cast<unsigned char *>(const_cast<char *>(GNUTLS_KP_TLS_WWW_CLIENT)), 0}; // NOLINT

Result<std::string> read_pem(const Pem &pem)
{
    if (pem.file.empty())
        return pem.text;
    auto text = read_file(pem.file);
    if (!text)
        return std::unexpected(text.error());
    if (!*text)
        return failure("read", pem.file, ENOENT);
    return std::move(**text);
}

std::string name_of(const Pem &pem, const char *key)
{
    return pem.file.empty() ? key : pem.file.string();
}

gnutls_datum_t datum(std::string &text)
{
    return {reinterpret_cast<unsigned char *>(text.data()), static_cast<unsigned>(text.size())};
}

Result<void> read_key(gnutls_certificate_credentials_t credentials, const TlsConfig &tls)
{
    auto certificate = read_pem(tls.certificate);
    if (!certificate)
        return std::unexpected(certificate.error());
    auto key = read_pem(tls.key);
    if (!key)
        return std::unexpected(key.error());
    const gnutls_datum_t certificate_datum = datum(*certificate), key_datum = datum(*key);
    const int code = gnutls_certificate_set_x509_key_mem(credentials, &certificate_datum, &key_datum,
                                                         GNUTLS_X509_FMT_PEM);
    if (code < 0)
        return failure("read", name_of(tls.certificate, "cert") + " and " + name_of(tls.key, "key"),
                       gnutls_strerror(code));
    return {};
}

Result<void> read_authority(gnutls_certificate_credentials_t credentials, const TlsConfig &tls)
{
    if (tls.client_ca.empty()) { // there may be none
        gnutls_certificate_set_x509_system_trust(credentials);
        return {};
    }
    auto authority = read_pem(tls.client_ca);
    if (!authority)
        return std::unexpected(authority.error());
    const gnutls_datum_t authority_datum = datum(*authority);
    const int count =
        gnutls_certificate_set_x509_trust_mem(credentials, &authority_datum, GNUTLS_X509_FMT_PEM);
    if (count <= 0)
        return failure("read", name_of(tls.client_ca, "client_ca"),
                       count < 0 ? gnutls_strerror(count) : "there is no certificate in it");
    return {};
}

bool verifies(const TlsConfig &tls)
{
    return tls.client_auth == ClientAuth::verify_if_given ||
           tls.client_auth == ClientAuth::require_and_verify;
}

// A name as the configuration writes it, of which an address is bytes in the certificate.
std::string read_name(int kind, const std::string &bytes)
{
    if (kind != GNUTLS_SAN_IPADDRESS)
        return bytes;
    char text[INET6_ADDRSTRLEN] = "";
    inet_ntop(bytes.size() == sizeof(in_addr) ? AF_INET : AF_INET6, bytes.data(), text, sizeof(text));
    return text;
}

// Whether one of the subject's alternative names (RFC 5280) is among them.
bool has_name_of(const gnutls_datum_t &encoded, const std::vector<std::string> &names)
{
    gnutls_x509_crt_t allocated = nullptr;
    if (gnutls_x509_crt_init(&allocated) != GNUTLS_E_SUCCESS)
        return false;
    const Certificate certificate(allocated);
    if (gnutls_x509_crt_import(certificate.get(), &encoded, GNUTLS_X509_FMT_DER) != GNUTLS_E_SUCCESS)
        return false;
    constexpr std::size_t longest = 1024;
    for (unsigned number = 0;; number++) {
        std::string bytes(longest, '\0');
        std::size_t size = bytes.size();
        const int kind =
            gnutls_x509_crt_get_subject_alt_name(certificate.get(), number, bytes.data(), &size, nullptr);
        if (kind == GNUTLS_E_SHORT_MEMORY_BUFFER)
            continue;
        if (kind < 0) // there are no more
            return false;
        bytes.resize(size);
        if (std::ranges::count(names, read_name(kind, bytes)))
            return true;
    }
}

} // namespace

Result<TlsCredentials> read_tls_credentials(const TlsConfig &tls)
{
    gnutls_certificate_credentials_t allocated = nullptr;
    if (gnutls_certificate_allocate_credentials(&allocated) != GNUTLS_E_SUCCESS)
        return failure("read", name_of(tls.certificate, "cert"), "no memory");
    TlsCredentials credentials(allocated, gnutls_certificate_free_credentials);
    if (auto read = read_key(credentials.get(), tls); !read)
        return std::unexpected(read.error());
    if (verifies(tls))
        if (auto read = read_authority(credentials.get(), tls); !read)
            return std::unexpected(read.error());
    return credentials;
}

void begin_tls(gnutls_session_t session, const TlsConfig &tls, const TlsCredentials &credentials,
               bool some_are_open)
{
    if (gnutls_priority_set_direct(session, tls.priorities.c_str(), nullptr) != GNUTLS_E_SUCCESS)
        return; // without a certificate the handshake fails
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials.get());
    if (tls.client_auth == ClientAuth::none)
        return;
    const bool must = !some_are_open && (tls.client_auth == ClientAuth::require_any ||
                                         tls.client_auth == ClientAuth::require_and_verify);
    gnutls_certificate_server_set_request(session, must ? GNUTLS_CERT_REQUIRE : GNUTLS_CERT_REQUEST);
    if (must && tls.client_auth == ClientAuth::require_and_verify)
        gnutls_session_set_verify_cert2(session, &for_clients, 1, 0);
}

bool is_known_client(gnutls_session_t session, const TlsConfig &tls)
{
    unsigned count = 0;
    const gnutls_datum_t *shown = gnutls_certificate_get_peers(session, &count);
    const bool is_shown = shown && count > 0;
    switch (tls.client_auth) {
    case ClientAuth::none:
    case ClientAuth::request:
        return true;
    case ClientAuth::require_any:
        break;
    case ClientAuth::verify_if_given:
    case ClientAuth::require_and_verify:
        if (unsigned status = 0; is_shown && (gnutls_certificate_verify_peers(
                                                  session, &for_clients, 1, &status) != GNUTLS_E_SUCCESS ||
                                              status != 0))
            return false;
        if (tls.client_auth == ClientAuth::verify_if_given)
            return true;
        break;
    }
    return is_shown && (tls.client_names.empty() || has_name_of(shown[0], tls.client_names));
}

} // namespace podrtt
