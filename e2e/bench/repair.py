# SPDX-License-Identifier: Apache-2.0
"""How soon the daemon puts filters back that somebody has removed with their qdisc, as the pod's host veth
shows it to a process that asks without a pause. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import statistics
import time

import node
from node import Chain, Daemon, Pod, own_filters, run, wait_until
from results import Results


def main():
    parser = argparse.ArgumentParser(prog="hack/bench repair", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    node.prepare()
    daemon = Daemon("--log-level", "error")
    chain, taken, asked = Chain(), [], []
    for number in range(options.rounds):  # a new pod each time: of one that this happens to again and again the daemon keeps off
        pod = Pod(chain, "shop", f"repaired-{number}").create()
        wait_until(lambda: len(own_filters(pod.host_veth)) == 2, "both filters are there", 60)
        time.sleep(4)  # until the daemon has looked at the pod
        start = time.perf_counter()
        own_filters(pod.host_veth)
        asked.append(time.perf_counter() - start)
        run("tc", "qdisc", "delete", "dev", pod.host_veth, "clsact")
        start = time.perf_counter()
        while len(own_filters(pod.host_veth)) < 2:
            pass
        taken.append(time.perf_counter() - start)
        pod.delete()
    daemon.stop()
    results = Results("repair")
    results.table("Until both filters are back, ms", ["", "least", "median", "most"],
                  [[name, *(f"{value * 1e3:.1f}" for value in (min(times), statistics.median(times), max(times)))]
                   for name, times in (("filters back", taken), ("of these, the asking alone", asked))],
                  f"Of {options.rounds} times that the qdisc was removed.")
    results.save()


if __name__ == "__main__":
    main()
