// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/gzip.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <random>
#include <string>

namespace podrtt
{
namespace
{

std::string unpacked(const std::string &compressed, std::size_t length)
{
    std::string text(length + 1, '\0');
    z_stream stream = {};
    EXPECT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);                                           // gzip
    stream.next_in = reinterpret_cast<unsigned char *>(const_cast<char *>(compressed.data())); // NOLINT
    stream.avail_in = static_cast<uInt>(compressed.size());
    stream.next_out = reinterpret_cast<unsigned char *>(text.data());
    stream.avail_out = static_cast<uInt>(text.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    text.resize(text.size() - stream.avail_out);
    inflateEnd(&stream);
    return text;
}

TEST(Gzip, HoldsTheWholeAnswer)
{
    std::minstd_rand random;
    std::string noise; // does not get smaller
    for (int i = 0; i < 100'000; i++)
        noise.push_back(static_cast<char>(random()));
    const Answer answer("text/plain", {"first\n", "", std::string(200'000, 'x'), noise});
    const Answer compressed = gzip(answer);
    EXPECT_EQ(compressed.content_type, "text/plain");
    ASSERT_EQ(compressed.parts.size(), 1u);
    EXPECT_LT(compressed.length, 110'000u);
    EXPECT_EQ(unpacked(compressed.parts[0], answer.length), "first\n" + std::string(200'000, 'x') + noise);
}

TEST(Gzip, IsGivenToWhoTakesIt)
{
    for (const char *header : {"gzip", "gzip, deflate", "deflate, gzip;q=0.5", " br , gzip ", "gzip;q=1.0"})
        EXPECT_TRUE(accepts_gzip(header)) << header;
    for (const char *header :
         {"", "identity", "gzip;q=0", "deflate, gzip; q=0.0", "xgzip", "gzipx", ",", ";"})
        EXPECT_FALSE(accepts_gzip(header)) << header;
}

TEST(Gzip, IsMadeOncePerAnswer)
{
    LatestGzip latest;
    const auto one = std::make_shared<const Answer>("text/plain", std::vector<std::string>{"one"});
    const auto other = std::make_shared<const Answer>("text/plain", std::vector<std::string>{"other"});
    const auto compressed = latest.get(one);
    EXPECT_EQ(latest.get(one), compressed);
    EXPECT_NE(latest.get(other), compressed);
    latest.forget();
    EXPECT_EQ(other.use_count(), 1);
}

} // namespace
} // namespace podrtt
