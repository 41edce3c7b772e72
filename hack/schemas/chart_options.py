#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks what the Helm chart makes of its values: fails if values.schema.json knows other options of podrttd run than docs/reference.md, which a
test compares with the real ones, if an option is rendered otherwise than podrttd takes it, or if the label cluster
keeps its name where it is to have another. Run by hack/check-manifests."""

import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "manifests/helm/podrtt"
# The chart's own affair: what is mounted where.
GIVEN_BY_THE_CHART = {"config", "web.config.file", "web.listen-address", "cni-cache-dir", "cni-conf-dir", "cni-bin-dir", "plugin"}


def documented():
    table = (ROOT / "docs/reference.md").read_text(encoding="utf-8").split("## `podrttd run`")[1].split("\n\n")[1]
    cells = re.findall(r"^\| ((?:`[^`]+`(?:, )?)+) \|", table, re.MULTILINE)
    return {name for cell in cells for name in re.findall(r"`--([a-z][a-z.-]+)", cell)} - GIVEN_BY_THE_CHART


def arguments(helm, options):
    text = subprocess.run([helm, "template", "podrtt", CHART, "--set-json", f"options={json.dumps(options)}",
                           "--show-only", "templates/daemonset.yaml"], capture_output=True, text=True, check=True).stdout
    return {argument.strip('"') for argument in re.findall(r"^ {12}- (\S.*)$", text.split("args:")[1].split("ports:")[0],
                                                            re.MULTILINE)}


def main():
    failed = False
    known = set(json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))["properties"]["options"]["properties"])
    if known != documented():
        print(f"values.schema.json and docs/reference.md differ: {sorted(known ^ documented())}", file=sys.stderr)
        failed = True
    options = {"peer": ["redis=10.1.2.0/24", "db=fd00::/8"], "pod-metrics": ["rtt", "dns"], "max-flows": 1048576,
               "icmp": True, "install": False, "grace-period": "10m", "namespace-grace-period": 0, "listen": [":1"]}
    expected = {"run", "--peer=redis=10.1.2.0/24", "--peer=db=fd00::/8", "--pod-metrics=rtt,dns", "--max-flows=1048576",
                "--icmp", "--grace-period=10m", "--namespace-grace-period=0", "--listen=:1"}
    if (rendered := arguments(sys.argv[1], options)) != expected:
        print(f"options are rendered as {sorted(rendered)}", file=sys.stderr)
        failed = True
    for wrong in ({"listn": [":1"]}, {"max-flows": "many"}, {"level": "node"}):
        try:
            arguments(sys.argv[1], wrong)
            print(f"the chart takes {wrong}", file=sys.stderr)
            failed = True
        except subprocess.CalledProcessError:
            pass
    renamed = subprocess.run([sys.argv[1], "template", "podrtt", CHART, "--set", "clusterLabel=k8s_cluster,prometheusRule.enabled=true,"
                              "dashboards.enabled=true"], capture_output=True, text=True, check=True).stdout
    if left := re.search(r".*[({,] ?cluster(=~|[,)]).*", renamed):
        print(f"the label cluster keeps its name: {left.group(0)}", file=sys.stderr)
        failed = True
    if "k8s_cluster" not in renamed:
        print("the label cluster gets no other name", file=sys.stderr)
        failed = True
    sys.exit(failed)


if __name__ == "__main__":
    main()
