// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/pods/azure.h"

#include <gnutls/crypto.h>

#include <array>
#include <cstddef>

namespace podrtt
{

std::string azure_veth_name(const std::string &name_space, const std::string &pod)
{
    const std::string name = name_space + "." + pod;
    std::array<unsigned char, 20> digest = {};
    if (gnutls_hash_fast(GNUTLS_DIG_SHA1, name.data(), name.size(), digest.data()) != 0)
        return "";
    std::string text = "azv";
    for (std::size_t digit = 0; digit < 11; digit++) {
        const unsigned char byte = digest[digit / 2];
        text += "0123456789abcdef"[digit % 2 ? byte & 15 : byte >> 4];
    }
    return text;
}

} // namespace podrtt
