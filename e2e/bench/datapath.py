# SPDX-License-Identifier: Apache-2.0
"""What the BPF programs cost: nanoseconds a packet above an empty program on the same hook, beside a program
that only parses, one that then looks the flow up in the kernel's hash, and others that are given. Run by
hack/bench, inside e2e/rig/isolate."""

import argparse
import json
import pathlib
import statistics

import hook
import node
from hook import HOOKS, PROGRAMS, Hook, Load, above_empty, libbpf
from node import Daemon, run
from results import Results, spread

# name: which load, how many connections (or SYNs a second), and what to set before
TRAFFIC = {
    "bulk, GSO": ("iperf3", 4, {}),
    "bulk, MTU-size": ("iperf3", 4, {"gso_max_segs": 1}),
    "200 request-response flows": ("redis", 200, {}),
    "5,000 request-response flows": ("redis", 5000, {}),
    "connections, 50 at a time": ("redis, each request on its own connection", 50, {}),
    "200 flows, no timestamps": ("redis", 200, {"tcp_timestamps": 0}),
    "SYN flood": ("flood", 200000, {}),
}


def take_programs(given):
    """File descriptors of other people's pinned programs, before this node has a bpffs of its own."""
    found = {}
    for text in given:
        name, _, folder = text.partition("=")
        found[name] = {way: libbpf.bpf_obj_get(str(pathlib.Path(folder, way)).encode()) for way in HOOKS}
        if not folder or min(found[name].values()) < 0:
            raise SystemExit(f"hack/bench: --program {text}: NAME=DIR, with programs of type sched_cls pinned in DIR as "
                             "ingress (of the host veth: from the pod) and egress")
    return found


def pin_programs(fds):
    for name, by_hook in fds.items():
        PROGRAMS[name] = {}
        for way, fd in by_hook.items():
            PROGRAMS[name][way] = hook.BPFFS / f"{name}_{way}"
            if libbpf.bpf_obj_pin(fd, str(PROGRAMS[name][way]).encode()):
                raise SystemExit(f"hack/bench: {name} cannot be pinned")


def main():
    parser = argparse.ArgumentParser(prog="hack/bench datapath", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of 0.3 s for each program")
    parser.add_argument("--traffic", default="", help="only kinds whose name contains this")
    parser.add_argument("--program", metavar="NAME=DIR", action="append", default=[],
                        help="programs to measure beside these, pinned in DIR as ingress and egress")
    parser.add_argument("--sample-interval", metavar="MS", default="0", help="as podrttd has it (default: 0)")
    options = parser.parse_args()

    others = take_programs(options.program)
    node.prepare()
    daemon = Daemon("--log-level", "error", "--sample-interval", options.sample_interval)
    pin_programs(others)
    bench = Hook(5201, 6379)
    results = Results("datapath")

    rows, connections, means = [], [], {}
    shown = [name for name in PROGRAMS if name != "empty"]
    for name, (load, number, settings) in TRAFFIC.items():
        if options.traffic not in name:
            continue
        print(f"==> {name}", flush=True)
        bench.set(**settings)
        with Load(load, bench.peer.v4, number, hook.seconds_of(options.rounds, len(PROGRAMS))) as running:
            packets, opened = hook.passed(), running.connections()
            found = bench.costs(list(PROGRAMS), options.rounds)
            opened = running.connections() - opened
            packets = {way: count - packets[way] for way, count in hook.passed().items()}
        above, empty = above_empty(found)
        for way in HOOKS:
            if way not in above["podrtt"]:
                continue  # a flood comes from one side
            by_round = [mine - least for mine, least in zip(found["podrtt"][way], found["empty"][way])]
            rows.append([f"{name}, {HOOKS[way].replace('_', ' ')}", f"{empty[way]:.0f}",
                         *(f"{above[program][way]:.0f}" for program in shown),
                         f"{above['podrtt'][way] / above['lookup'][way]:.2f}", spread(by_round, ".0f")])
        means[name] = {program: statistics.mean(by_hook.values()) for program, by_hook in above.items()}
        if load.startswith("redis, each"):
            connections = [[program, f"{sum(above[program][way] * packets[way] for way in HOOKS) / opened:,.0f}"]
                           for program in shown]
            each = sum(packets.values()) / opened
    results.table("Nanoseconds a packet above an empty program",
                  ["traffic", "empty, timer included", *shown, "podrtt / lookup", "podrtt, median (quartiles) by round"], rows,
                  f"Medians of {options.rounds} interleaved rounds.")
    results.bars("A packet, mean of both directions", "ns above an empty program", list(means),
                 {program: [mean[program] for mean in means.values()] for program in shown})
    for name, mean in means.items():
        results.figure(name, mean["podrtt"])
    if connections:
        results.table("Nanoseconds a connection of one request: all its packets together",
                      ["program", f"ns for its {each:.1f} packets"], connections)
    instructions = [[name, json.loads(run("bpftool", "--json", "prog", "show", "pinned", pins["ingress"]))["bytes_xlated"] // 8]
                    for name, pins in PROGRAMS.items()]
    results.table("Length of the programs", ["program, from the pod", "instructions"], instructions)
    results.save()
    bench.stop()
    daemon.stop()


if __name__ == "__main__":
    main()
