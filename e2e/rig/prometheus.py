# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus that scrapes a real daemon."""

import json
import subprocess
import tempfile
import urllib.parse
import urllib.request

from node import ROOT, wait_until

ADDRESS = "http://127.0.0.1:9090/api/v1/"


def ask(call, **parameters):
    with urllib.request.urlopen(ADDRESS + call + "?" + urllib.parse.urlencode(parameters), timeout=10) as answer:
        return json.load(answer)["data"]


def query(expression):
    """The labels and the value of each result of an instant query; of a native histogram no value."""
    return [(series["metric"], float(series["value"][1]) if "value" in series else None)
            for series in ask("query", query=expression)["result"]]


def _has_scraped():
    try:
        return query("{__name__=~\"podrtt_tcp_rtt_seconds(_count)?\"}")
    except OSError:
        return None


class Prometheus:
    """One that has scraped the daemon, for as long as the block lasts."""

    def __init__(self, *options, config=ROOT / "manifests/prometheus.yml"):
        self.command = ["prometheus", f"--config.file={config}", *options, "--web.listen-address=127.0.0.1:9090",
                        "--log.level=error"]

    def __enter__(self):
        self.storage = tempfile.TemporaryDirectory(dir="/run")
        self.process = subprocess.Popen([*self.command, f"--storage.tsdb.path={self.storage.name}"])
        wait_until(_has_scraped, "Prometheus has scraped podrttd", 60)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.storage.cleanup()
