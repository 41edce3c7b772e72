// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/tls.h"

#include <gnutls/x509.h>

namespace podrtt
{

Result<TlsCredentials> read_tls_credentials(const TlsConfig &tls)
{
    gnutls_certificate_credentials_t allocated = nullptr;
    if (gnutls_certificate_allocate_credentials(&allocated) != GNUTLS_E_SUCCESS)
        return failure("read", tls.certificate, "no memory");
    TlsCredentials credentials(allocated, gnutls_certificate_free_credentials);
    const int code = gnutls_certificate_set_x509_key_file(credentials.get(), tls.certificate.c_str(),
                                                          tls.key.c_str(), GNUTLS_X509_FMT_PEM);
    if (code < 0)
        return failure("read", tls.certificate + " and " + tls.key, gnutls_strerror(code));
    if (!tls.needs_client_certificate)
        return credentials;
    const int count = gnutls_certificate_set_x509_trust_file(credentials.get(), tls.client_ca.c_str(),
                                                             GNUTLS_X509_FMT_PEM);
    if (count <= 0)
        return failure("read", tls.client_ca,
                       count < 0 ? gnutls_strerror(count) : "there is no certificate in it");
    return credentials;
}

const char *tls_priorities(const TlsConfig &tls)
{
    return tls.min_version == TlsVersion::tls13 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
                                                : "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2";
}

void use_tls_credentials(gnutls_session_t session, const TlsConfig &tls, const TlsCredentials &credentials)
{
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials.get());
    if (!tls.needs_client_certificate)
        return;
    // A certificate that is made for clients; the servers' of the same authority will not do.
    static gnutls_typed_vdata_st client = {
        GNUTLS_DT_KEY_PURPOSE_OID,
        reinterpret_cast<unsigned char *>(const_cast<char *>(GNUTLS_KP_TLS_WWW_CLIENT)), 0}; // NOLINT
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_cert2(session, &client, 1, 0);
}

} // namespace podrtt
