# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, with the configuration from manifests/, scrapes a real daemon. Run by
e2e/isolate."""

import json
import subprocess
import sys
import unittest
import urllib.parse
import urllib.request

import node
from node import ROOT, Chain, Daemon, Peer, Pod, in_netns, top, wait_until

TRAFFIC = [sys.executable, ROOT / "e2e/traffic.py"]


def query(expression):
    """The labels and the value of each result of an instant query."""
    address = "http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(address, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return [(series["metric"], float(series["value"][1])) for series in result]


def answers():
    try:
        return query("podrtt_tcp_rtt_seconds_count")
    except OSError:
        return None


class PrometheusTest(unittest.TestCase):
    def test_quantiles_of_a_pod(self):
        node.prepare()
        daemon = Daemon()
        far = Peer("far", 203)
        far.connect_by_delay_line(3000, "/run/line.log")
        server = subprocess.Popen(in_netns("far", *TRAFFIC, "serve", 8080), stdout=subprocess.PIPE, text=True)
        self.assertEqual(server.stdout.readline(), "ready\n")
        pod = Pod(Chain(), "shop", "scraped").create()
        self.assertEqual(pod.popen(*TRAFFIC, "requests", far.v4, "8080", "5", "20").wait(60), 0)

        prometheus = subprocess.Popen(
            ["prometheus", f"--config.file={ROOT}/manifests/prometheus.yml", "--storage.tsdb.path=/run/tsdb",
             "--web.listen-address=127.0.0.1:9090", "--log.level=error"])
        wait_until(answers, "Prometheus has scraped podrttd", 60)
        mine = {s["leg"]: s for s in top() if s["kind"] == "data"}
        for labels, samples in query("podrtt_tcp_rtt_seconds_count"):
            self.assertEqual((labels["namespace"], labels["pod"]), ("shop", "scraped"))
            self.assertEqual(samples, mine[labels["leg"]]["samples"])
        [(_, p50)] = query('histogram_quantile(0.5, podrtt_tcp_rtt_seconds_bucket{leg="network"})')
        # Classic buckets are powers of two: 2 x 3 ms and a little more lie in one that ends at 7.8 ms.
        self.assertTrue(2 ** -8 < p50 <= 2 ** -7, p50)
        prometheus.terminate()
        prometheus.wait(30)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
