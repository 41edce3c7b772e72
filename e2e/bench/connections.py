# SPDX-License-Identifier: Apache-2.0
"""How many connections of one request each are made in a second, with podrtt on the pod's veth and without; beside
an empty program. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import statistics

from hook import Load, measuring, ratio_row


def main():
    parser = argparse.ArgumentParser(prog="hack/bench connections", description=__doc__)
    parser.add_argument("--rounds", type=int, default=60, help="of 0.3 s each: without, with the empty program, with podrtt")
    options = parser.parse_args()
    rows = []
    with measuring("connections", 6379) as (bench, results):
        for name, timestamps in (("with timestamps", 1), ("without timestamps", 0)):
            bench.set(tcp_timestamps=timestamps)
            with Load("redis, each request on its own connection", bench.peer.v4, 50, 0) as running:
                found = bench.rates(["empty", "podrtt"], options.rounds, running.connections)
            rows.append(ratio_row(name, f"{statistics.median(found[None]):,.0f}", found))
        results.table("Connections a second, of those without any program",
                      ["50 at a time", "a second, without", "empty program", "podrtt"], rows,
                      f"Medians and quartiles of {options.rounds} interleaved rounds. Client and server have a CPU each.")


if __name__ == "__main__":
    main()
