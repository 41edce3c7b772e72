#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The source of the Grafana dashboards beside this file.

    dashboards.py           writes the JSON files
    dashboards.py --check   fails if they are not what this source says
"""

import json
import pathlib
import re
import sys
import typing

HERE = pathlib.Path(__file__).resolve().parent
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

KINDS_HEADER = HERE.parents[1] / "bpf/user/kinds.h"


class Kind(typing.NamedTuple):
    name: str
    family: str
    title: str
    help: str


def read_kinds():
    """What is timed, from the one table of it."""
    rows = re.findall(r'\{PODRTT_KIND_\w+, "(\w+)", "(\w+)", "([^"]+)", "\w+",\s*"([^"]+)"\}',
                      KINDS_HEADER.read_text(encoding="utf-8"))
    return {name: Kind(name, f"{metric}_seconds", title, text) for name, metric, title, text in rows}


KINDS = read_kinds()
RTT, HANDSHAKE, FLOOR = (KINDS[name].family for name in ("data", "handshake", "floor"))
RECOVERY = KINDS["recovery"].family
# What an application waits for: together where the time goes.
WAITS = [KINDS[name] for name in ("dns", "connect", "response", "recovery")]
# Those that have no panels of their own below get one each, of the same form.
MORE_KINDS = [kind for kind in KINDS.values() if kind.family not in (RTT, HANDSHAKE, FLOOR)]
NODES = 'cluster=~"$cluster", node=~"$node"'
# What podrttd leaves out of single pods by default (docs/reference.md, --pod-metrics).
UNUSUAL = re.compile("|".join(rf"podrtt_{KINDS[name].family}" for name in ("handshake", "floor", "echo", "recovery")))


# ---- queries ----------------------------------------------------------------------------------------
# Prometheus keeps podrtt's histograms as native ones if it is told to, else as classic ones. One of the
# two halves of a query finds nothing.

def quantile(q, family, by, where):
    return (f"histogram_quantile({q}, sum by ({by}) (rate(podrtt_{family}{{{where}}}[$__rate_interval]))) or "
            f"histogram_quantile({q}, sum by ({by + ', ' if by else ''}le) "
            f"(rate(podrtt_{family}_bucket{{{where}}}[$__rate_interval])))")


def samples(family, by, where):
    return (f"sum by ({by}) (histogram_count(rate(podrtt_{family}{{{where}}}[$__rate_interval]))) or "
            f"sum by ({by}) (rate(podrtt_{family}_count{{{where}}}[$__rate_interval]))")


def heat_targets(family, where):
    native = f"sum(rate(podrtt_{family}{{{where}}}[$__rate_interval]))"
    classic = f"sum by (le) (rate(podrtt_{family}_bucket{{{where}}}[$__rate_interval])) unless on () {native}"
    return [target(native, "native"), target(classic, "{{le}}", format="heatmap")]


def target(expression, legend="", **options):
    return {"datasource": DATASOURCE, "expr": expression, "legendFormat": legend or "__auto", "editorMode": "code",
            "range": True, **options}


def instant(expression):
    return target(expression, format="table", instant=True, range=False)


# ---- panels -----------------------------------------------------------------------------------------

def panel(kind, title, description, targets, unit="s", width=12, height=8, links=(), **more):
    for name, one in zip("ABCDEFGH", targets):
        one["refId"] = name
    if any(UNUSUAL.search(one["expr"]) for one in targets):
        description += " Of single pods, podrttd has it where --pod-metrics says so."
    custom = more.pop("custom", {})
    steps = more.pop("steps", None)
    return {
        "type": kind, "title": title, "description": description, "datasource": DATASOURCE, "targets": targets,
        "gridPos": {"w": width, "h": height},
        "fieldConfig": {
            "defaults": {
                "unit": unit, "custom": custom, "links": list(links),
                "thresholds": {"mode": "absolute", "steps": steps or [{"color": "green", "value": None}]},
                **({"color": {"mode": "thresholds"}} if steps else {}),
            },
            "overrides": more.pop("overrides", []),
        },
        **more,
    }


def above(orange, red):
    return [{"color": "green", "value": None}, {"color": "orange", "value": orange}, {"color": "red", "value": red}]


def graph(title, description, *targets, logarithmic=True, **more):
    """Times on a logarithmic axis: microseconds and seconds are both of interest."""
    custom = {"lineWidth": 1, "fillOpacity": 5, "showPoints": "never", "spanNulls": False}
    if logarithmic:
        custom["scaleDistribution"] = {"type": "log", "log": 10}
    return panel("timeseries", title, description, list(targets), custom=custom,
                 options={"legend": {"displayMode": "list", "placement": "bottom"},
                          "tooltip": {"mode": "multi", "sort": "desc"}}, **more)


def stat(title, description, expression, unit="short", steps=None, legend=""):
    return panel("stat", title, description, [target(expression, legend, instant=True, range=False)], unit=unit, width=4,
                 height=4, steps=steps,
                 options={"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"})


def heat_map(title, description, family, where, **more):
    return panel("heatmap", title, description, heat_targets(family, where),
                 options={"calculate": False, "yAxis": {"unit": "s"}, "cellGap": 0,
                          "color": {"mode": "scheme", "scheme": "Oranges", "scale": "exponential", "exponent": 0.5},
                          "tooltip": {"show": True, "yHistogram": True}}, **more)


def table(title, description, columns, join, links=(), **more):
    """A column for each query; rows are joined by their labels."""
    # As Grafana names the values of several queries, and of one.
    names = {f"Value #{letter}": column for letter, (column, _) in zip("ABCDEFGH", columns)}
    if len(columns) == 1:
        names = {"Value": columns[0][0]}
    return panel("table", title, description, [instant(expression) for _, expression in columns], width=24, height=9,
                 links=links, custom={"filterable": True},
                 transformations=[{"id": "merge", "options": {}},
                                  {"id": "organize", "options": {"excludeByName": {"Time": True},
                                                                 "renameByName": names}}],
                 options={"sortBy": [{"displayName": columns[0][0], "desc": True}]},
                 overrides=[{"matcher": {"id": "byName", "options": label},
                             "properties": [{"id": "unit", "value": "string"}]} for label in join], **more)


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


# ---- dashboards -------------------------------------------------------------------------------------

def variable(name, label, query, multi=False, include_all=False):
    return {"type": "query", "name": name, "label": label, "datasource": DATASOURCE,
            "query": {"query": query, "refId": name}, "definition": query, "refresh": 2, "sort": 1, "multi": multi,
            "includeAll": include_all, **({"allValue": ".*"} if include_all else {})}


# Whose a pod is, by the kubernetes-mixin's rule.
OWNER = "namespace_workload_pod:kube_pod_owner:relabel"

VARIABLES = {
    "cluster": variable("cluster", "Cluster", "label_values(podrtt_build_info, cluster)", include_all=True),
    "node": variable("node", "Node", 'label_values(podrtt_build_info{cluster=~"$cluster"}, node)', multi=True, include_all=True),
    "namespace": variable("namespace", "Namespace", f"label_values(podrtt_pod_info{{{NODES}}}, namespace)"),
    "workload": variable("workload", "Workload", f'label_values({OWNER}{{cluster=~"$cluster", namespace="$namespace"}}, workload)'),
    "pod": variable("pod", "Pod", f'label_values(podrtt_pod_info{{{NODES}, namespace="$namespace"}}, pod)'),
}

TITLES = {"cluster": "podrtt / Cluster", "namespace": "podrtt / Namespace", "workload": "podrtt / Workload",
          "pod": "podrtt / Pod", "podrtt": "podrtt / podrtt itself"}


def dashboard(name, description, variables, panels):
    x = y = tallest = 0
    for number, one in enumerate(panels, 1):
        width, height = one["gridPos"]["w"], one["gridPos"]["h"]
        if x + width > 24:
            x, y, tallest = 0, y + tallest, 0
        one["gridPos"].update(x=x, y=y)
        one["id"] = number
        x, tallest = x + width, max(tallest, height)
    source = {"type": "datasource", "name": "datasource", "label": "Data source", "query": "prometheus"}
    return {
        "uid": f"podrtt-{name}", "title": TITLES[name], "description": description, "tags": ["podrtt"],
        "schemaVersion": 39, "version": 1, "editable": True, "graphTooltip": 1, "timezone": "browser", "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "title": "podrtt", "tags": ["podrtt"], "asDropdown": True, "includeVars": True,
                   "keepTime": True}],
        "templating": {"list": [source, VARIABLES["cluster"], *(VARIABLES[variable] for variable in variables)]},
        "annotations": {"list": []},
        "panels": panels,
    }


def link(name, *labels, of="__field.labels"):
    values = "".join(f"&var-{label}=${{{of}.{label}}}" for label in labels)
    kept = "".join(f"&${{{variable}:queryparam}}" for variable in ("datasource", "cluster", "node"))
    return {"title": TITLES[name], "url": f"/d/podrtt-{name}?${{__url_time_range}}{kept}{values}"}


def row_link(name, *labels):
    return link(name, *labels, of="__data.fields")


def cluster():
    network, both = f'{NODES}, leg="network"', NODES
    to_namespace = [link("namespace", "namespace")]
    return dashboard("cluster", "Latency of all pods, by namespace.", ["node"], [
        stat("Nodes", "Nodes whose podrttd is scraped.", f"count(podrtt_build_info{{{NODES}}})"),
        stat("Pods measured", "Pods that podrtt's programs are attached to.", f"sum(podrtt_pod_attached{{{NODES}}})"),
        stat("Pods not measured", "See the dashboard podrtt itself for the reasons.",
             f"count(podrtt_pod_attached{{{NODES}}} == 0) or vector(0)", steps=above(1, 10)),
        stat("Path, median", "Median of the floor of the network leg: the network itself, without anybody's waiting.",
             quantile(0.5, f"namespace_{FLOOR}", "", network), unit="s", steps=above(0.005, 0.05)),
        stat("Data, p99", "99th percentile from data to its acknowledgement, network leg: what applications feel.",
             quantile(0.99, f"namespace_{RTT}", "", network), unit="s", steps=above(0.1, 1)),
        stat("Samples", "Samples of data in a second.", f"sum({samples(f'namespace_{RTT}', '', both)})", unit="cps"),
        row("Where the time goes"),
        where_the_time_goes("namespace_", network, "network leg", width=24),
        row("Network leg"),
        graph("Path by namespace, median", "Median of the smallest time of each connection in 10 s.",
              target(quantile(0.5, f"namespace_{FLOOR}", "namespace", network), "{{namespace}}"), links=to_namespace),
        graph("Data by namespace, p99", "From data to its acknowledgement. Holds the peer's thinking time and delayed "
              "acknowledgements, where a request is answered late.",
              target(quantile(0.99, f"namespace_{RTT}", "namespace", network), "{{namespace}}"), links=to_namespace),
        graph("Handshakes by namespace, p99", "SYN to SYN-ACK.",
              target(quantile(0.99, f"namespace_{HANDSHAKE}", "namespace", network), "{{namespace}}"),
              links=to_namespace),
        *(graph(f"{kind.title} by namespace, p99", kind.help,
                target(quantile(0.99, f"namespace_{kind.family}", "namespace", network), "{{namespace}}"),
                links=to_namespace) for kind in MORE_KINDS),
        graph("Path by peer class, median", "A class that rises alone is that network; all of them, the node's own.",
              target(quantile(0.5, f"namespace_{FLOOR}", "peer", network), "{{peer}}")),
        heat_map("All samples of data", "Samples in a second, by time.", f"namespace_{RTT}", network),
        heat_map("All handshakes", "Handshakes in a second, by time.", f"namespace_{HANDSHAKE}", network),
        row("Pods"),
        table("Worst pods, network leg", "The 20 pods whose data is acknowledged latest.", [
            ("p99", f"topk(20, {quantile(0.99, RTT, 'namespace, pod', network)})"),
        ], ["namespace", "pod"], links=[row_link("pod", "namespace", "pod")]),
        table("Worst pods, pod leg", "The 20 pods whose own stack answers latest: they get no CPU.", [
            ("p99", "topk(20, " + quantile(0.99, FLOOR, "namespace, pod", f'{NODES}, leg="pod"') + ")"),
        ], ["namespace", "pod"], links=[row_link("pod", "namespace", "pod")]),
    ])


def namespace():
    inside = f'{NODES}, namespace="$namespace"'
    network, pod = f'{inside}, leg="network"', f'{inside}, leg="pod"'
    to_pod = [link("pod", "namespace", "pod")]
    by_pod = "namespace, pod"
    return dashboard("namespace", "Latency of the pods of one namespace.", ["node", "namespace"], [
        row("Where the time goes"),
        where_the_time_goes("namespace_", network, "network leg"),
        where_the_time_goes("namespace_", pod, "pod leg"),
        counts("namespace_resent_packets", inside, "leg", "Packets sent again", "In a second. Leg network: by its pods; leg pod: to them."),
        counts("namespace_dns_answers", network, "rcode", "DNS answers by response code",
               "In a second, to queries of its pods. What queries have more got no answer."),
        row("Pods"),
        graph("Path by pod, median, network leg", "Median of the smallest time of each connection in 10 s.",
              target(quantile(0.5, FLOOR, by_pod, network), "{{pod}}"), links=to_pod),
        graph("Data by pod, p99, network leg", "From data to its acknowledgement.",
              target(quantile(0.99, RTT, by_pod, network), "{{pod}}"), links=to_pod),
        graph("Path by pod, median, pod leg", "The way through the pod's own stack: rises where the pod gets no CPU.",
              target(quantile(0.5, FLOOR, by_pod, pod), "{{pod}}"), links=to_pod),
        graph("Data by pod, p99, pod leg", "From data to the acknowledgement by the pod's kernel or application.",
              target(quantile(0.99, RTT, by_pod, pod), "{{pod}}"), links=to_pod),
        graph("Handshakes by pod, p99, network leg", "SYN to SYN-ACK.",
              target(quantile(0.99, HANDSHAKE, by_pod, network), "{{pod}}"), links=to_pod),
        *(graph(f"{kind.title} by pod, p99, network leg", kind.help,
                target(quantile(0.99, kind.family, by_pod, network), "{{pod}}"), links=to_pod) for kind in MORE_KINDS),
        graph("Path by peer class, median, network leg", "Of the namespace, with pods that are gone.",
              target(quantile(0.5, f"namespace_{FLOOR}", "peer", network), "{{peer}}")),
        graph("Connects, network leg", "In a second, by its pods: begun, answered, refused. What is missing was given up, or still waits.",
              target(f"sum by (result) (rate(podrtt_namespace_connects_total{{{network}}}[$__rate_interval]))", "{{result}}"),
              unit="cps", logarithmic=False),
        heat_map("Samples of data, network leg", "Of the namespace, in a second.", f"namespace_{RTT}", network),
        heat_map("Samples of data, pod leg", "Of the namespace, in a second.", f"namespace_{RTT}", pod),
        table("Pods, network leg", "All pods of the namespace.", [
            ("Data, p99", quantile(0.99, RTT, by_pod, network)),
            ("Data, p50", quantile(0.5, RTT, by_pod, network)),
            ("Path, p50", quantile(0.5, FLOOR, by_pod, network)),
            ("Handshake, p50", quantile(0.5, HANDSHAKE, by_pod, network)),
        ], ["namespace", "pod"], links=[row_link("pod", "namespace", "pod")]),
    ])


def workload():
    """By the pods that kube-state-metrics says are a workload's; elsewhere this finds nothing."""
    recorded = 'cluster=~"$cluster", namespace="$namespace", workload="$workload"'
    mine = (f'* on (cluster, namespace, pod) group_left topk by (cluster, namespace, pod) (1, '
            f'max by (cluster, namespace, pod) ({OWNER}{{{recorded}}}))')
    to_pod = [link("pod", "namespace", "pod")]

    def of_pods(q, family, leg, by):
        where = f'{NODES}, namespace="$namespace", leg="{leg}"'
        return (f"histogram_quantile({q}, sum by ({by}) (rate(podrtt_{family}{{{where}}}[$__rate_interval]) {mine})) or "
                f"histogram_quantile({q}, sum by ({by + ', ' if by else ''}le) "
                f"(rate(podrtt_{family}_bucket{{{where}}}[$__rate_interval]) {mine}))")

    def sum_of_pods(family, leg, by):
        where = f'{NODES}, namespace="$namespace", leg="{leg}"'
        return f"sum by ({by}) (rate(podrtt_pod_{family}_total{{{where}}}[$__rate_interval]) {mine})"

    def by_pod(title, description, q, family, leg):
        return graph(title, description, target(of_pods(q, family, leg, "namespace, pod"), "{{pod}}"), links=to_pod)

    waits = [kind for kind in WAITS if kind.family != RECOVERY]  # of which single pods have no histogram by default
    return dashboard("workload", "Latency of the pods of one Deployment, StatefulSet or other workload.",
                     ["node", "namespace", "workload"], [
        row("Where the time goes"),
        *(graph(f"Waits, p99, {leg} leg", "DNS, connect and response of all its pods together.",
                *(target(of_pods(0.99, kind.family, leg, ""), kind.title) for kind in waits)) for leg in ("network", "pod")),
        graph("Data, p99", "By the recording rule, over 10 minutes.",
              target(f"namespace_workload_leg:podrtt_tcp_rtt_seconds:p99_10m{{{recorded}}}", "{{leg}}")),
        graph("Response, p99", "By the recording rule, over 10 minutes.",
              target(f"namespace_workload_leg:podrtt_tcp_response_seconds:p99_10m{{{recorded}}}", "{{leg}}")),
        row("Pods"),
        by_pod("Response by pod, p99, network leg", "What each pod waits for the services that it calls.", 0.99,
               KINDS["response"].family, "network"),
        by_pod("Response by pod, p99, pod leg", "What callers of each pod wait for it: one that is slower than its siblings.", 0.99,
               KINDS["response"].family, "pod"),
        by_pod("Data by pod, p99, network leg", "From data to its acknowledgement.", 0.99, RTT, "network"),
        by_pod("Data by pod, p99, pod leg", "From data to the acknowledgement by the pod's kernel or application.", 0.99, RTT, "pod"),
        *(graph(f"Packets sent again by pod, {leg} leg", "In a second.",
                target(sum_of_pods("resent_packets", leg, "namespace, pod"), "{{pod}}"), unit="cps", logarithmic=False, links=to_pod)
          for leg in ("network", "pod")),
        *(graph(f"Connects, {leg} leg", "In a second: begun, answered, refused.",
                target(sum_of_pods("connects", leg, "result"), "{{result}}"), unit="cps", logarithmic=False)
          for leg in ("network", "pod")),
    ])


def where_the_time_goes(prefix, where, of, **more):
    """The waits of an application side by side, and the path itself."""
    return graph(f"Waits, p99, {of}", "What a request is made of: DNS, connect and response; a recovery is within a response. "
                 "The floor is the path itself.",
                 *(target(quantile(0.99, f"{prefix}{kind.family}", "", where), kind.title) for kind in WAITS),
                 target(quantile(0.5, f"{prefix}{FLOOR}", "", where), "Floor, median"), **more)


def counts(family, where, by, title, description, **more):
    legend = f"{{{{{by}}}}}" if by else "packets"
    return graph(title, description, target(f"sum by ({by}) (rate(podrtt_{family}_total{{{where}}}[$__rate_interval]))", legend),
                 unit="cps", logarithmic=False, **more)


def legs(title, description, family, quantiles, where):
    """The same graph for both legs, side by side."""
    return [graph(f"{title}, {leg} leg", description,
                  *(target(quantile(q, family, "", f'{where}, leg="{leg}"'), f"p{q * 100:g}") for q in quantiles))
            for leg in ("network", "pod")]


def pod():
    this = f'{NODES}, namespace="$namespace", pod="$pod"'
    return dashboard("pod", "Latency of one pod: the network on the left, the pod itself on the right.",
                     ["node", "namespace", "pod"], [
        row("Where the time goes"),
        *(where_the_time_goes("", f'{this}, leg="{leg}"', f"{leg} leg") for leg in ("network", "pod")),
        counts("pod_resent_packets", this, "leg", "Packets sent again", "In a second. Leg network: by the pod; leg pod: to it."),
        counts("pod_dns_answers", this, "rcode", "DNS answers by response code", "In a second."),
        row("Round trips and waits"),
        *legs("Data", "From data to its acknowledgement: what the application feels.", RTT, (0.5, 0.9, 0.99), this),
        *legs("Path", "The smallest time of each connection in 10 s: without anybody's waiting.", FLOOR, (0.5, 0.99), this),
        *legs("Handshakes", "SYN to SYN-ACK, and SYN-ACK to ACK.", HANDSHAKE, (0.5, 0.99), this),
        *(one for kind in MORE_KINDS if kind.family != RECOVERY
          for one in legs(kind.title, kind.help, kind.family, (0.5, 0.99), this)),
        # The veth sees the first sending of what is lost behind it, seldom of what is lost on the way to the pod.
        legs("Recovery", KINDS["recovery"].help, RECOVERY, (0.5, 0.99), this)[0],
        *(heat_map(f"Samples of data, {leg} leg", "In a second.", RTT, f'{this}, leg="{leg}"') for leg in ("network", "pod")),
        graph("Path by peer class, median", "Network leg.",
              target(quantile(0.5, FLOOR, "peer", f'{this}, leg="network"'), "{{peer}}")),
        graph("Data by peer class, p99", "Network leg.",
              target(quantile(0.99, RTT, "peer", f'{this}, leg="network"'), "{{peer}}")),
        *(graph(f"Connects, {leg} leg", f"In a second, {way}: begun, answered, refused. What is missing was given up, or still waits.",
                target(f'sum by (result) (rate(podrtt_pod_connects_total{{{this}, leg="{leg}"}}[$__rate_interval]))', "{{result}}"),
                unit="cps", logarithmic=False) for leg, way in (("network", "by the pod"), ("pod", "to the pod"))),
        graph("Connections", "Opened in a second, by how answers are matched. None: only one direction passes by.",
              target(f"sum by (matching) (rate(podrtt_pod_flows_total{{{this}}}[$__rate_interval]))", "{{matching}}"),
              unit="cps", logarithmic=False),
        graph("Samples of data", "In a second, by leg.", target(samples(RTT, "leg", this), "{{leg}}"), unit="cps",
              logarithmic=False),
        table("Identity", "As the container runtime gave it.", [("measured", f"podrtt_pod_info{{{this}}}")], [], unit="none"),
    ])


def podrtt():
    def rate(family, by):
        return target(f"sum by ({by}) (rate(podrtt_{family}{{{NODES}}}[$__rate_interval]))", f"{{{{{by}}}}}")

    def by_node(expression):
        return target(expression, "{{node}}")

    return dashboard("podrtt", "What podrtt costs, and what it does not see.", ["node"], [
        stat("Versions", "Of podrttd, on how many nodes each.", f"count by (version) (podrtt_build_info{{{NODES}}})",
             legend="{{version}}"),
        stat("Not scraped", "Nodes whose podrttd did not answer the last scrape.",
             'count(up{job=~".*podrtt.*"} == 0) or vector(0)', steps=above(1, 3)),
        stat("Pods not measured", "By the daemon's last pass.",
             f"count(podrtt_pod_attached{{{NODES}}} == 0) or vector(0)", steps=above(1, 10)),
        stat("Plugin missing", "Nodes where podrttd should keep the plugin installed and cannot.",
             f"count(podrtt_plugin_installed{{{NODES}}} == 0) or vector(0)", steps=above(1, 3)),
        stat("Samples left out", "In the last hour: times over 64 s, and no room for a histogram.",
             f"sum(increase(podrtt_dropped_samples_total{{{NODES}}}[1h]))", steps=above(1, 1000)),
        stat("Fullest map", "Of all nodes.",
             f"max(podrtt_bpf_map_entries{{{NODES}}} / podrtt_bpf_map_capacity)", unit="percentunit", steps=above(0.8, 0.95)),
        row("Coverage"),
        graph("Pods by attachment", "The form, or the reason why a pod is not measured.",
              target(f"count by (reason) (podrtt_pod_attached{{{NODES}}})", "{{reason}}"), unit="short", logarithmic=False),
        graph("Additions that failed", "Interfaces that the plugin could not attach to; the daemon does it later.",
              rate("unmeasured_adds_total", "reason"), unit="cps", logarithmic=False),
        graph("Repairs", "What the daemon has set right.", rate("repairs_total", "repair"), unit="cps", logarithmic=False),
        graph("Packets left alone", "Fragments, and headers that cannot be.", rate("ignored_packets_total", "reason"),
              unit="pps", logarithmic=False),
        row("Cost"),
        graph("Time for a packet", "Only while the kernel counts it (sysctl kernel.bpf_stats_enabled=1), which itself "
              "costs about as much as the program.",
              target(f"sum by (program) (rate(podrtt_bpf_program_run_seconds_total{{{NODES}}}[$__rate_interval])) / "
                     f"sum by (program) (rate(podrtt_bpf_program_runs_total{{{NODES}}}[$__rate_interval]))", "{{program}}"),
              logarithmic=False),
        graph("CPU time of podrttd", "Of one core.",
              by_node(f"rate(process_cpu_seconds_total{{{NODES}}}[$__rate_interval]) and on (cluster, instance) podrtt_build_info"),
              unit="percentunit", logarithmic=False),
        graph("Memory of podrttd", "Resident, without the BPF maps.",
              by_node(f"process_resident_memory_bytes{{{NODES}}} and on (cluster, instance) podrtt_build_info"), unit="bytes",
              logarithmic=False),
        graph("Memory of the BPF maps", "As the kernel accounts for it; the same on every node.",
              target(f"max by (map) (podrtt_bpf_map_memory_bytes{{{NODES}}})", "{{map}}"), unit="bytes",
              logarithmic=False),
        graph("How full the maps are", "The fullest of all nodes.",
              target(f"max by (map) (podrtt_bpf_map_entries{{{NODES}}} / podrtt_bpf_map_capacity)", "{{map}}"),
              unit="percentunit", logarithmic=False),
        graph("Scrapes", "How long they take.",
              by_node(f"scrape_duration_seconds{{{NODES}}} and on (cluster, instance) podrtt_build_info"), logarithmic=False),
    ])


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    stale = []
    for name, make in (("cluster", cluster), ("namespace", namespace), ("workload", workload), ("pod", pod), ("podrtt", podrtt)):
        path, text = HERE / f"{name}.json", json.dumps(make(), indent=2) + "\n"
        if not sys.argv[1:]:
            path.write_text(text, encoding="ascii")
        elif not path.exists() or path.read_text(encoding="ascii") != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"{', '.join(stale)}: not what dashboards.py says; run manifests/dashboards/dashboards.py")


if __name__ == "__main__":
    main()
