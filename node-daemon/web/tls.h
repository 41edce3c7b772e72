// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gnutls/gnutls.h>

#include <memory>
#include <string>
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

// The versions of TLS that are spoken, as gnutls_priority_init(3) wants them.
const char *tls_priorities(const TlsConfig &tls);

// Makes a session that has not begun use `credentials`, which must live longer, and asks the client for
// a certificate if it needs one: without, the session ends.
void use_tls_credentials(gnutls_session_t session, const TlsConfig &tls, const TlsCredentials &credentials);

} // namespace podrtt
