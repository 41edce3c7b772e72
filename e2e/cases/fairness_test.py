# SPDX-License-Identifier: Apache-2.0
"""One pod's flood must not blind podrtt to the others. Run by e2e/rig/isolate."""

import re
import subprocess
import unittest

import node
from node import BIN, TRAFFIC, Chain, Daemon, Pod, near_server, top

FLOWS = 16384   # the table is small, so that the flood is many times its size
FLOOD = 1_000_000
SECONDS = 8


class FloodTest(unittest.TestCase):
    def test_established_flows_of_other_pods_are_measured_on(self):
        node.prepare()
        daemon = Daemon("--max-flows", str(FLOWS))
        near = near_server(8080)
        chain = Chain()
        victim, attacker = Pod(chain, "shop", "victim").create(), Pod(chain, "shop", "attacker").create()

        requests = victim.popen(*TRAFFIC, "paced", near.v4, "8080", "50", str(SECONDS), stdout=subprocess.PIPE,
                                text=True)
        flood = attacker.popen(BIN / "flood", "syn", near.v4, "9", str(FLOOD), str(SECONDS - 2),
                               stdout=subprocess.PIPE, text=True)
        sent = int(flood.communicate()[0])
        done = int(requests.communicate()[0])
        self.assertGreater(sent, FLOOD * 0.9)

        measured = {s["leg"]: s["samples"] for s in top() if (s["pod"], s["kind"]) == ("victim", "data")}
        print(f"{sent} SYNs sent, {done} requests made, measured {measured}")
        for leg in ("network", "pod"):
            self.assertGreaterEqual(measured[leg], done * 0.99)
        self.assertLess(sum(s["samples"] for s in top() if s["pod"] == "attacker"), sent)
        self.assertFalse(re.search(r'podrtt_dropped_samples_total{reason="histogram_map_full"} [1-9]', daemon.metrics()))
        daemon.stop()


if __name__ == "__main__":
    unittest.main()
