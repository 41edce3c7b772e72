# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, with the configuration from manifests/, scrapes a real daemon. Run by
e2e/isolate."""

import json
import subprocess
import tempfile
import unittest
import urllib.parse
import urllib.request

import node
from node import ROOT, TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, serve, top, wait_until


def query(expression):
    """The labels and the value of each result of an instant query."""
    address = "http://127.0.0.1:9090/api/v1/query?" + urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(address, timeout=10) as answer:
        result = json.load(answer)["data"]["result"]
    return [(series["metric"], float(series["value"][1]) if "value" in series else None) for series in result]


def answers():
    try:
        return query("{__name__=~\"podrtt_tcp_rtt_seconds(_count)?\"}")
    except OSError:
        return None


class Prometheus:
    """One that has scraped the daemon, for as long as the block lasts."""

    def __init__(self, *options):
        self.command = ["prometheus", f"--config.file={ROOT}/manifests/prometheus.yml", *options,
                        "--web.listen-address=127.0.0.1:9090", "--log.level=error"]

    def __enter__(self):
        self.storage = tempfile.TemporaryDirectory(dir="/run")
        self.process = subprocess.Popen([*self.command, f"--storage.tsdb.path={self.storage.name}"])
        wait_until(answers, "Prometheus has scraped podrttd", 60)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)
        self.storage.cleanup()


class PrometheusTest(unittest.TestCase):
    def test_quantiles_of_a_pod(self):
        node.prepare()
        daemon = Daemon()
        far = Peer("far", 203)
        far.connect_by_delay_line(3000, "/run/line.log")
        serve(in_netns("far"), 8080)
        pod = Pod(Chain(), "shop", "scraped").create()
        self.assertEqual(pod.popen(*TRAFFIC, "requests", far.v4, "8080", "5", "20").wait(60), 0)

        mine = {s["leg"]: s for s in top() if s["kind"] == "data"}
        with Prometheus():
            for labels, samples in query("podrtt_tcp_rtt_seconds_count"):
                self.assertEqual((labels["namespace"], labels["pod"]), ("shop", "scraped"))
                self.assertEqual(samples, mine[labels["leg"]]["samples"])
            [(_, classic)] = query('histogram_quantile(0.5, podrtt_tcp_rtt_seconds_bucket{leg="network"})')
        # Classic buckets are powers of two: 2 x 3 ms and a little more lie in one that ends at 7.8 ms.
        self.assertTrue(2 ** -8 < classic <= 2 ** -7, classic)

        with Prometheus("--enable-feature=native-histograms"):
            for labels, samples in query("histogram_count(podrtt_tcp_rtt_seconds)"):
                self.assertEqual(samples, mine[labels["leg"]]["samples"])
            for labels, total in query("histogram_sum(podrtt_tcp_rtt_seconds)"):
                self.assertAlmostEqual(total, mine[labels["leg"]]["sum_seconds"], places=9)
            [(_, native)] = query('histogram_quantile(0.5, podrtt_tcp_rtt_seconds{leg="network"})')
        # Two interpolations within the same bucket, which is 9 % wide, and which the classic one holds.
        self.assertAlmostEqual(native / mine["network"]["p50_seconds"], 1, delta=0.09)
        self.assertTrue(2 ** -8 < native <= 2 ** -7, native)
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
