# SPDX-License-Identifier: Apache-2.0
"""The dashboards, and a Prometheus that has what they ask for."""

import json
import pathlib

from node import ROOT

DASHBOARDS = {path.stem: json.loads(path.read_text(encoding="ascii"))
              for path in sorted((ROOT / "manifests/dashboards").glob("*.json"))}
VALUES = {"$__rate_interval": "60s", "$cluster": ".*", "$node": ".*", "$workload": "web", "$namespace": "shop", "$pod": "web"}
CONFIG, OWNERS = pathlib.Path("/run/prometheus.yml"), pathlib.Path("/run/owner.rules.yml")
OWNER = ("{{record: 'namespace_workload_pod:kube_pod_owner:relabel', labels: {{cluster: test, namespace: {}, pod: {}, "
         "workload: {}, workload_type: deployment}}, expr: vector(1)}}")


def filled_in(expression, values=None):
    """As Grafana would send it."""
    for name, value in (VALUES | (values or {})).items():
        expression = expression.replace(name, value)
    assert "$" not in expression, expression
    return expression


def panels(dashboard):
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def write_config(owners):
    """That of the manifests with our rules, scraping each second; `owners` are (namespace, pod, workload), which
    kube-state-metrics tells elsewhere."""
    OWNERS.write_text(f"groups: [{{name: owner, rules: [{', '.join(OWNER.format(*owner) for owner in owners)}]}}]", encoding="ascii")
    config = (ROOT / "manifests/prometheus.yml").read_text(encoding="ascii")
    config = config.replace("- targets: [", "- labels: {cluster: test}\n        targets: [")
    CONFIG.write_text(config.replace("scrape_interval: 15s", "scrape_interval: 1s") + "global: {evaluation_interval: 1s}\n"
                      f"rule_files: [{ROOT}/manifests/rules/podrtt.rules.yml, {OWNERS}]\n", encoding="ascii")
    return CONFIG
