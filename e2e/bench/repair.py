# SPDX-License-Identifier: Apache-2.0
"""How soon the daemon puts filters back that somebody has removed with their qdisc, as the pod's host veth
shows it to a process that asks without a pause. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import statistics
import time

import node
from node import Chain, Daemon, Pod, own_filters, run, wait_until


def main():
    parser = argparse.ArgumentParser(prog="hack/bench repair", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    options = parser.parse_args()
    node.prepare()
    daemon = Daemon("--log-level", "error")
    pod = Pod(Chain(), "shop", "repaired").create()
    taken, asked = [], []
    for _ in range(options.rounds):
        wait_until(lambda: len(own_filters(pod.host_veth)) == 2, "both filters are there", 60)
        start = time.perf_counter()
        own_filters(pod.host_veth)
        asked.append(time.perf_counter() - start)
        run("tc", "qdisc", "delete", "dev", pod.host_veth, "clsact")
        start = time.perf_counter()
        while len(own_filters(pod.host_veth)) < 2:
            pass
        taken.append(time.perf_counter() - start)
        time.sleep(0.3)
    pod.delete()
    daemon.stop()
    in_ms = [f"{value * 1e3:.1f}" for value in (min(taken), statistics.median(taken), max(taken))]
    print(f"filters back after {' / '.join(in_ms)} ms (least, median, most of {options.rounds}); "
          f"asking alone takes {statistics.median(asked) * 1e3:.1f} ms")


if __name__ == "__main__":
    main()
