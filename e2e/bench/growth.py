# SPDX-License-Identifier: Apache-2.0
"""How the data path's cost grows with the connections that take turns, with SYNs a second, and with the sample
interval. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import contextlib

import hook
import node
from hook import HOOKS, Hook, Load, above_empty
from node import Daemon
from results import Results, growth

FLOWS = (1, 10, 100, 1000, 10_000, 40_000, 100_000)
SYNS = (1000, 10_000, 50_000, 200_000)
INTERVALS = (0, 1, 10, 100)  # ms
PROGRAMS = ["empty", "lookup", "podrtt"]
COLUMNS = [f"{name}, {way.replace('_', ' ')}" for name in PROGRAMS[1:] for way in HOOKS.values()]


def cells(above):
    """Of above_empty(), for COLUMNS."""
    return [f"{above[name][way]:.0f}" for name in PROGRAMS[1:] for way in HOOKS]


def of_flows(bench, rounds, results):
    rows, lines = [], {name: [] for name in PROGRAMS[1:]}
    for flows in FLOWS:
        print(f"==> {flows:,} connections", flush=True)
        settle = hook.SETTLE + flows / 40_000  # until each has had a turn after programs have changed
        with contextlib.ExitStack() as loads:
            for port, begun in zip(hook.REDIS, range(0, flows, hook.MOST_CLIENTS)):
                part = min(hook.MOST_CLIENTS, flows - begun)
                loads.enter_context(Load("redis", bench.peer.v4, part, 0, warm_up=1 + part / 4000, port=port))
            above, _ = above_empty(bench.costs(PROGRAMS, rounds, settle))
        rows.append([f"{flows:,}", *cells(above)])
        for name, points in lines.items():
            points.append((flows, sum(above[name].values())))  # a request and its answer
    results.table("By connections: nanoseconds a packet above an empty program",
                  ["connections, in turn", *COLUMNS], rows, f"Cost ~ connections^{growth(lines['podrtt']):.2f}; of the look-up, ^{growth(lines['lookup']):.2f}. What breaks the "
                  "straight line is where flows no longer fit into the processor's caches.")
    results.plot("A request and its answer, by connections that take turns", "connections", "ns above an empty program", lines, "x")


def of_syns(bench, rounds, results):
    rows, points = [], []
    for rate in SYNS:
        print(f"==> {rate:,} SYNs a second", flush=True)
        with Load("flood", bench.peer.v4, rate, hook.seconds_of(rounds, len(PROGRAMS))):
            above, _ = above_empty(bench.costs(PROGRAMS, rounds))
        rows.append([f"{rate:,}", *(f"{above[name]['ingress']:.0f}" for name in PROGRAMS[1:])])
        points.append((rate, above["podrtt"]["ingress"]))
    results.table("By SYNs that nobody answers: nanoseconds a SYN above an empty program",
                  ["SYNs a second", *PROGRAMS[1:]], rows, f"Cost ~ rate^{growth(points):.2f}.")


def of_intervals(bench, rounds, results):
    rows = []
    for interval in INTERVALS:
        print(f"==> --sample-interval {interval}ms", flush=True)
        daemon = Daemon("--log-level", "error", "--sample-interval", f"{interval}ms")
        bench.open_programs()  # they are loaded anew
        with Load("redis", bench.peer.v4, 200, 0):
            above, _ = above_empty(bench.costs(PROGRAMS, rounds))
        rows.append([f"{interval} ms", *cells(above)])
        daemon.stop()
    results.table("By sample interval, 200 connections: nanoseconds a packet above an empty program",
                  ["--sample-interval", *COLUMNS], rows)


def main():
    parser = argparse.ArgumentParser(prog="hack/bench growth", description=__doc__)
    parser.add_argument("--rounds", type=int, default=12, help="of 0.3 s and more for each program")
    options = parser.parse_args()
    node.prepare()
    results = Results("growth")
    daemon = Daemon("--log-level", "error")
    bench = Hook(*hook.REDIS)
    of_flows(bench, options.rounds, results)
    of_syns(bench, options.rounds, results)
    daemon.stop()
    of_intervals(bench, options.rounds, results)
    bench.stop()
    results.save()


if __name__ == "__main__":
    main()
