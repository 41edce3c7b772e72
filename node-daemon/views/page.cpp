// SPDX-License-Identifier: Apache-2.0
#include "node-daemon/views/page.h"

#include <spdlog/spdlog.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "bpf/user/json_text.h"
#include "bpf/user/kernel.h"
#include "bpf/user/kinds.h"
#include "bpf/user/version.h"
#include "page/files.h"

namespace podrtt
{
namespace
{

using Json = nlohmann::ordered_json;

Json filled_buckets(const Histogram &histogram)
{
    Json pairs = Json::array();
    for (const auto &[number, count] : histogram.buckets()) {
        pairs.push_back(number);
        pairs.push_back(count);
    }
    return pairs;
}

Json kind_rows()
{
    Json rows = Json::array();
    for (const Kind &kind : kinds)
        rows.push_back({{"name", kind.name}, {"title", kind.title}, {"help", kind.help}});
    return rows;
}

} // namespace

const std::map<std::string, PageFile, std::less<>> &page_files()
{
    static const std::map<std::string, PageFile, std::less<>> files = {
        {"/", {"text/html; charset=utf-8", page_html}},
        {"/page.css", {"text/css; charset=utf-8", page_css}},
        {"/page.js", {"text/javascript; charset=utf-8", page_js}},
        {"/chart.js", {"text/javascript; charset=utf-8", chart_js}},
        {"/uplot.css", {"text/css; charset=utf-8", uplot_css}},
        {"/uplot.js", {"text/javascript; charset=utf-8", uplot_js}},
    };
    return files;
}

std::string page_data(const Snapshot &snapshot, const AttachStates::ById &states, bool has_pods)
{
    std::map<PodName, Json> by_pod;
    for (const auto &[key, histogram] :
         snapshot.pod_series.empty() ? snapshot.namespace_series : snapshot.pod_series)
        by_pod[{key.name_space, key.pod}][leg_of(key.leg).name][kind_of(key.kind).name] =
            filled_buckets(histogram);

    Json pods = Json::array();
    for (auto &[name, of_pod] : by_pod)
        pods.push_back({{"namespace", name.first}, {"pod", name.second}, {"legs", std::move(of_pod)}});

    Json idle = Json::array(), unmeasured = Json::array();
    for (const auto &[id, state] : states) {
        const auto pod = snapshot.pods.find(id);
        if (pod == snapshot.pods.end() || pod->second.deleted)
            continue;
        if (state.measured() && has_pods &&
            !by_pod.contains({pod->second.name_space, shown_name(pod->second)}))
            idle.push_back({{"namespace", pod->second.name_space}, {"pod", pod->second.name}});
        if (!state.measured())
            unmeasured.push_back({{"namespace", pod->second.name_space},
                                  {"pod", pod->second.name},
                                  {"reason", state.reason()}});
    }
    return to_text(Json{{"version", version},
                        {"node", node_name()},
                        {"buckets",
                         {{"count", PODRTT_BUCKETS},
                          {"first_exponent", PODRTT_MIN_EXPONENT},
                          {"per_octave", 1 << PODRTT_SCHEMA}}},
                        {"kinds", kind_rows()},
                        {"pods", std::move(pods)},
                        {"idle", std::move(idle)},
                        {"unmeasured", std::move(unmeasured)}});
}

std::string make_page_data(const Maps &maps, const AttachStates &states, SeriesOptions options)
{
    options.peers = false;
    auto snapshot = Snapshot::take(maps, options);
    if (snapshot)
        return page_data(*snapshot, states.all(), options.pods);
    spdlog::error("{}", snapshot.error().message());
    return "";
}

} // namespace podrtt
