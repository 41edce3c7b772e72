// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/gzip.h"

#include <zlib.h>

#include <stdexcept>

#include "node-daemon/export/accept.h"

namespace podrtt
{
namespace
{

constexpr int gzip_format = 16; // beside the window's size, as zlib.h has it
constexpr int window_bits = 15;
constexpr int memory_level = 8;

std::string_view trimmed(std::string_view text)
{
    const std::size_t first = text.find_first_not_of(" \t");
    return first == std::string_view::npos ? ""
                                           : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// Deflates what the stream has been given, and appends it.
void deflate_into(z_stream &stream, int flush, std::string &compressed)
{
    unsigned char block[16384];
    do {
        stream.next_out = block;
        stream.avail_out = sizeof(block);
        deflate(&stream, flush);
        compressed.append(reinterpret_cast<const char *>(block), sizeof(block) - stream.avail_out);
    } while (stream.avail_out == 0);
}

} // namespace

bool accepts_gzip(std::string_view accept_encoding)
{
    bool accepted = false;
    for_each_accepted(accept_encoding, [&](std::string_view element, double quality) {
        if (trimmed(element.substr(0, element.find(';'))) == "gzip")
            accepted = quality > 0;
    });
    return accepted;
}

Answer gzip(const Answer &answer)
{
    z_stream stream = {};
    // The fastest: it makes a fifteenth to a twentieth of metrics, and the best a quarter less in ten times
    // the time.
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, window_bits + gzip_format, memory_level,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc();
    std::string compressed;
    for (const auto &part : answer.parts) {
        stream.next_in =
            reinterpret_cast<unsigned char *>(const_cast<char *>(part.data())); // NOLINT: only read
        stream.avail_in = static_cast<uInt>(part.size());
        deflate_into(stream, Z_NO_FLUSH, compressed);
    }
    deflate_into(stream, Z_FINISH, compressed);
    deflateEnd(&stream);
    return {answer.content_type, {std::move(compressed)}};
}

} // namespace podrtt
