# SPDX-License-Identifier: Apache-2.0
"""What podrtt adds to the round trips that an application sees: requests at a constant rate, whatever becomes of
those before, each timed from when it was due (so that a stall counts for all that it has delayed), with podrtt on
the pod's veth and without. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import random
import statistics

import hook
from hook import measuring
from node import in_netns, run
from results import spread

LOG = "/run/sockperf.csv"
QUANTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}


def percentiles(rate, seconds, address):
    """Microseconds from when a request was due to its answer."""
    run(*in_netns(hook.POD, "sockperf", "under-load", "--tcp", "-i", address, "-p", 11111, "--mps", rate, "-t", seconds,
                  "--reply-every", 1, "--full-log", LOG))
    sent = []
    with open(LOG, encoding="ascii") as lines:
        for line in lines:
            fields = line.split(", ")
            if len(fields) == 4 and fields[0].isdigit():
                sent.append([float(field) for field in fields[:3]])
    # None is sent before it is due: the one that was least late says when the first was.
    begin = min(when - number / rate for number, when, _ in sent)
    waits = sorted((received - begin - number / rate) * 1e6 for number, _, received in sent)
    return {name: waits[int(len(waits) * part)] for name, part in QUANTILES.items()}


def main():
    parser = argparse.ArgumentParser(prog="hack/bench latency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20, help="of 2.5 s with and 2.5 s without, at each rate")
    parser.add_argument("--rates", default="2000,10000,25000", help="requests a second, of which a second's nanoseconds are a multiple, as sockperf keeps to those")
    options = parser.parse_args()
    rows = []
    with measuring("latency", 11111) as (bench, results):
        for rate in map(int, options.rates.split(",")):
            print(f"==> {rate:,} a second", flush=True)
            found = {None: [], "podrtt": []}
            for _ in range(options.rounds):
                for name in random.sample(list(found), 2):
                    if name:
                        bench.attach(name)
                    found[name].append(percentiles(rate, 2, bench.peer.v4))
                    if name:
                        bench.detach()
            for quantile in QUANTILES:
                without, with_it = ([each[quantile] for each in found[name]] for name in (None, "podrtt"))
                rows.append([f"{rate:,} a second, {quantile}", f"{statistics.median(without):.1f}", f"{statistics.median(with_it):.1f}",
                             spread([a / b for a, b in zip(with_it, without)])])
        results.table("Round trips of requests at a constant rate, microseconds",
                      ["sockperf, one connection", "without", "with podrtt", "ratio by round"], rows,
                      f"Medians of {options.rounds} interleaved rounds; of the ratio, quartiles as well. Client and server share two CPUs "
                      "with all else that the machine does, which is what p99.9 shows.")


if __name__ == "__main__":
    main()
