// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/web/routes.h"

#include <gmock/gmock.h>

#include "unit-tests/support/pinned_maps.h"

namespace podrtt
{
namespace
{

using testing::HasSubstr;
using testing::Not;

class Served : public PinnedMaps
{
protected:
    Reply get(const std::string &path, const std::string &accept = "", const std::string &encoding = "")
    {
        return routes_.handle({config_, path, accept, "", "127.0.0.1", encoding});
    }

    static std::string body(const Reply &reply)
    {
        std::string text = reply.text;
        if (reply.answer)
            for (const auto &part : reply.answer->parts)
                text += part;
        return text;
    }

    const std::shared_ptr<const WebConfig> config_ = std::make_shared<WebConfig>();
    AttachStates states_;
    Repairs repairs_;
    Health health_;
    Collector collector_{pins_, *maps_, states_, repairs_};
    Routes routes_{collector_, *maps_, states_, health_};
};

TEST_F(Served, MetricsAreTextOrProtocolBuffers)
{
    const Reply text = get("/metrics");
    EXPECT_EQ(text.status, 200u);
    EXPECT_THAT(body(text), HasSubstr("podrtt_build_info{"));
    EXPECT_THAT(text.answer->content_type, HasSubstr("text/plain"));
    const Reply protobuf = get("/metrics", "application/vnd.google.protobuf;"
                                           "proto=io.prometheus.client.MetricFamily;encoding=delimited");
    EXPECT_THAT(protobuf.answer->content_type, HasSubstr("protobuf"));
}

TEST_F(Served, MetricsAreCompressedForWhoTakesIt)
{
    const std::pair<std::string, std::string> coding = {"Content-Encoding", "gzip"};
    EXPECT_THAT(get("/metrics").headers, Not(testing::Contains(coding)));
    for (const char *path : {"/metrics", "/pods.json"}) {
        const Reply compressed = get(path, "", "deflate, gzip");
        EXPECT_THAT(compressed.headers, testing::Contains(coding));
        EXPECT_EQ(body(compressed).substr(0, 2), "\x1f\x8b") << path; // RFC 1952
        EXPECT_THAT(compressed.headers, testing::Contains(std::pair<std::string, std::string>(
                                            "Vary", "Accept, Accept-Encoding")));
    }
}

TEST_F(Served, HealthIsWhatTheLoopSays)
{
    EXPECT_EQ(get("/readyz").status, 503u);
    EXPECT_EQ(get("/healthz").status, 503u);
    health_.beat(Health::Clock::now());
    EXPECT_EQ(get("/readyz").status, 200u);
    EXPECT_EQ(get("/healthz").status, 200u);
}

TEST_F(Served, PageAndItsData)
{
    EXPECT_THAT(get("/").text, HasSubstr("<!DOCTYPE html>"));
    EXPECT_THAT(body(get("/pods.json")), HasSubstr("\"kinds\""));
    EXPECT_EQ(get("/etc/passwd").status, 404u);
}

} // namespace
} // namespace podrtt
