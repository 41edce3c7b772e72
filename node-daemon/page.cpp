// SPDX-License-Identifier: Apache-2.0
#include "page.h"

#include <sys/utsname.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "page/files.h"

namespace podrtt
{
namespace
{

using Json = nlohmann::ordered_json;

Json filled_buckets(const podrtt_histogram &histogram)
{
    Json pairs = Json::array();
    for (std::uint32_t i = 0; i < PODRTT_BUCKETS; i++) {
        if (histogram.bucket[i] == 0)
            continue;
        pairs.push_back(i);
        pairs.push_back(histogram.bucket[i]);
    }
    return pairs;
}

std::string node_name()
{
    utsname name = {};
    return uname(&name) == 0 ? name.nodename : "";
}

// Strings of the runtime are checked where they are taken in; what is no UTF-8 all the same must not
// be in the way of everything else.
std::string dump(const Json &json)
{
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

} // namespace

const std::map<std::string, PageFile, std::less<>> &page_files()
{
    static const std::map<std::string, PageFile, std::less<>> files = {
        {"/", {"text/html; charset=utf-8", page_html}},
        {"/page.css", {"text/css; charset=utf-8", page_css}},
        {"/page.js", {"text/javascript; charset=utf-8", page_js}},
    };
    return files;
}

std::string page_data(const Snapshot &snapshot, const std::map<std::uint32_t, Attachment> &attachments)
{
    std::map<PodName, Json> legs;
    for (const auto &[key, histogram] :
         snapshot.pod_series.empty() ? snapshot.namespace_series : snapshot.pod_series)
        legs[{key.name_space, key.pod}][leg_name(key.leg)][kind_name(key.kind)] = filled_buckets(histogram);

    Json pods = Json::array();
    for (auto &[name, of_pod] : legs)
        pods.push_back({{"namespace", name.first}, {"pod", name.second}, {"legs", std::move(of_pod)}});

    Json unmeasured = Json::array();
    for (const auto &[id, attachment] : attachments) {
        const auto pod = snapshot.pods.find(id);
        if (!attachment.attached && pod != snapshot.pods.end())
            unmeasured.push_back({{"namespace", pod->second.name_space},
                                  {"pod", pod->second.name},
                                  {"reason", attachment.reason}});
    }
    return dump({{"version", PODRTT_VERSION},
                 {"node", node_name()},
                 {"pods", std::move(pods)},
                 {"unmeasured", std::move(unmeasured)}});
}

} // namespace podrtt
