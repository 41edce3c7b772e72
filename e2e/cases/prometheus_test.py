# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus, with the configuration from manifests/, scrapes a real daemon. Run by
e2e/rig/isolate."""

import unittest

import node
from node import TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, serve, top
from prometheus import Prometheus, query


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
