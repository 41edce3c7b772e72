// SPDX-License-Identifier: Apache-2.0
//
// The live page: what podrttd shows in a browser.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "node-daemon/counts/attach_states.h"
#include "node-daemon/export/series_options.h"
#include "node-daemon/export/snapshot.h"

namespace podrtt
{

struct PageFile {
    const char *content_type;
    std::string_view text;
};

// By path, with the slash before it.
const std::map<std::string, PageFile, std::less<>> &page_files();

// What the page draws, as JSON:
//
//     {"version": "…", "node": "…", "buckets": {"count": …, "first_exponent": …, "per_octave": …},
//      "kinds": [{"name": "data", "title": "…", "help": "…"}, …],
//      "pods": [{"namespace": "…", "pod": "…", "legs": {"network": {"data": [bucket, count, …], …}, …}},
//      …], "idle": [{"namespace": "…", "pod": "…"}, …],
//      "unmeasured": [{"namespace": "…", "pod": "…", "reason": "…"}, …]}
//
// Histograms hold what was counted so far, and only buckets that are not empty. Without histograms
// of single pods, it is namespaces, and "pod" is empty; `has_pods` says whether there may be such.
std::string page_data(const Snapshot &snapshot, const AttachStates::ById &states, bool has_pods = true);

// The same, of what the maps hold now; empty if they cannot be read.
std::string make_page_data(const Maps &maps, const AttachStates &states, SeriesOptions options);

} // namespace podrtt
