// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <type_traits>

#include "bpf/user/error.h"
#include "node-daemon/web/web_config.h"

namespace podrtt
{

// What a server shows to a client, and whom it believes.
using TlsCredentials = std::unique_ptr<std::remove_pointer_t<gnutls_certificate_credentials_t>,
                                       decltype(&gnutls_certificate_free_credentials)>;

// Reads the files of the configuration.
Result<TlsCredentials> read_tls_credentials(const TlsConfig &tls);

// Makes a session that has not begun speak as `tls` says, with `credentials`, which must live longer. Where
// some paths are open to all, a client without a certificate gets in as well, and is_known_client() tells.
void begin_tls(gnutls_session_t session, const TlsConfig &tls, const TlsCredentials &credentials,
               bool some_are_open);

// Whether the client of a session that has begun has shown the certificate that `tls` asks for.
bool is_known_client(gnutls_session_t session, const TlsConfig &tls);

} // namespace podrtt
