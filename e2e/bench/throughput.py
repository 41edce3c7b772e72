# SPDX-License-Identifier: Apache-2.0
"""What iperf3 transfers with podrtt on the pod's veth, of what it transfers with no program there; beside the
same of an empty program. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import itertools
import statistics

import hook
from hook import Load, measuring, ratio_row

SIZES = {"GSO": 65535, "MTU-size": 1}


def main():
    parser = argparse.ArgumentParser(prog="hack/bench throughput", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of 0.3 s each: without, with the empty program, with podrtt")
    options = parser.parse_args()
    rows = []
    with measuring("throughput", 5201) as (bench, results):
        for flows, (size, segments), family in itertools.product((1, 32), SIZES.items(), ("IPv4", "IPv6")):
            name = f"{flows} flow{'s' * (flows > 1)}, {size}, {family}"
            print(f"==> {name}", flush=True)
            bench.set(gso_max_segs=segments)
            address = bench.peer.v4 if family == "IPv4" else bench.peer.v6
            with Load("iperf3", address, flows, hook.seconds_of(options.rounds, 2)):
                found = bench.rates(["empty", "podrtt"], options.rounds, hook.transferred)
            rows.append(ratio_row(name, f"{statistics.median(found[None]) * 8e-9:.1f}", found))
        results.table("Throughput, of what passes without any program",
                      ["iperf3", "Gbit/s without", "empty program", "podrtt"], rows,
                      f"Medians and quartiles of {options.rounds} interleaved rounds.")


if __name__ == "__main__":
    main()
