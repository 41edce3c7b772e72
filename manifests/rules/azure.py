#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of podrtt.rules.yml as rule groups of Azure Monitor's managed Prometheus: a template of Azure Resource
Manager beside this file.

    azure.py           writes azure.json
    azure.py --check   fails if it is not what the rules say
"""

import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
SEVERITIES = {"warning": 3, "info": 4}  # of Azure, where 0 is critical


def iso_8601(duration):
    number, unit = re.fullmatch(r"(\d+)([smhd])", duration).groups()
    return f"P{number}D" if unit == "d" else f"PT{number}{unit.upper()}"


def one_line(text):
    return " ".join(text.split())


def rule(source):
    expression = one_line(source["expr"])
    if "record" in source:
        return {"record": source["record"], "expression": expression, "enabled": True}
    return {"alert": source["alert"], "expression": expression, "enabled": True, "for": iso_8601(source.get("for", "0m")),
            "severity": SEVERITIES[source["labels"]["severity"]], "labels": source["labels"],
            "annotations": {name: one_line(text) for name, text in source["annotations"].items()},
            "resolveConfiguration": {"autoResolved": True, "timeToResolve": "PT10M"},
            "actions": "[if(empty(parameters('actionGroupId')), createArray(), createArray(createObject('actionGroupId', "
                       "parameters('actionGroupId'))))]"}


def template(groups):
    return {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "contentVersion": "1.0.0.0",
        "parameters": {
            "azureMonitorWorkspaceId": {"type": "string", "metadata": {"description": "Resource id of the Azure Monitor workspace"}},
            "clusterName": {"type": "string", "metadata": {"description": "Name of the AKS cluster, whose rules these are"}},
            "clusterId": {"type": "string", "metadata": {"description": "Resource id of the AKS cluster"}},
            "actionGroupId": {"type": "string", "defaultValue": "", "metadata": {"description": "Who is told; empty: nobody"}},
            "location": {"type": "string", "defaultValue": "[resourceGroup().location]"}},
        "resources": [{
            "type": "Microsoft.AlertsManagement/prometheusRuleGroups", "apiVersion": "2023-03-01",
            "name": f"[concat('{group['name']}-', parameters('clusterName'))]", "location": "[parameters('location')]",
            "properties": {
                "scopes": ["[parameters('azureMonitorWorkspaceId')]", "[parameters('clusterId')]"],
                "clusterName": "[parameters('clusterName')]", "enabled": True, "interval": "PT1M",
                "rules": [rule(source) for source in group["rules"]]}} for group in groups]}


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__)
    groups = yaml.safe_load((HERE / "podrtt.rules.yml").read_text(encoding="utf-8"))["groups"]
    for group in groups:
        assert len(group["rules"]) <= 20, "Azure takes 20 rules a group"
    path, text = HERE / "azure.json", json.dumps(template(groups), indent=2) + "\n"
    if not sys.argv[1:]:
        path.write_text(text, encoding="ascii")
    elif not path.exists() or path.read_text(encoding="ascii") != text:
        sys.exit("azure.json: not what the rules say; run manifests/rules/azure.py")


if __name__ == "__main__":
    main()
