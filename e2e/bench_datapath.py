# SPDX-License-Identifier: Apache-2.0
"""What the BPF programs cost: nanoseconds a packet above an empty program on the same hook,
and throughput with podrtt on against off. Run by hack/bench, inside e2e/isolate."""

import argparse
import json
import pathlib
import random
import statistics
import subprocess

import node
from node import BIN, Peer, Daemon, add_netns, configure_link, in_netns, run

LOAD = BIN / "load"
PORT = 8080
PINS = pathlib.Path("/sys/fs/bpf/podrtt/v1")
BASELINE = pathlib.Path("/sys/fs/bpf/baseline")
HOOKS = {"ingress": "from_pod", "egress": "to_pod"}
PROGRAMS = {
    "empty": {hook: BASELINE / f"empty_{way}" for hook, way in HOOKS.items()},
    "lookup": {hook: BASELINE / f"lookup_{way}" for hook, way in HOOKS.items()},
    "podrtt": {hook: PINS / f"podrtt_{way}" for hook, way in HOOKS.items()},
}
HOST, POD = "pod0", "pod"

# name: arguments of load, and what to set in the pod before
TRAFFIC = {
    "bulk, GSO": (("bulk", 4), {}),
    "bulk, MTU-size": (("bulk", 4), {"gso_max_segs": 1}),
    "200 request-response flows": (("requests", 200), {}),
    "5,000 request-response flows": (("requests", 5000), {}),
    "connections, 50 at a time": (("connects", 50), {}),
    "200 flows, no timestamps": (("requests", 200), {"tcp_timestamps": 0}),
}


def make_pod():
    add_netns(POD)
    run("ip", "link", "add", HOST, "type", "veth", "peer", "name", "eth0", "netns", POD)
    configure_link(HOST, "10.99.0.1/24", "fd99::1/64")
    configure_link("eth0", "10.99.0.2/24", "fd99::2/64", POD)
    run(*in_netns(POD, "ip", "route", "add", "default", "via", "10.99.0.1"))
    run("tc", "qdisc", "add", "dev", HOST, "clsact")


def set_up(peer, settings):
    """Sets both ends: the pod, and the peer that it talks to."""
    for netns in (POD, peer.name):
        run(*in_netns(netns, "ip", "link", "set", "eth0", "gso_max_segs", settings.get("gso_max_segs", 65535)))
        run(*in_netns(netns, "sysctl", "-qw", f"net.ipv4.tcp_timestamps={settings.get('tcp_timestamps', 1)}",
                      "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65535",
                      "net.core.somaxconn=4096"))


def detach():
    for hook in HOOKS:
        run("tc", "filter", "delete", "dev", HOST, hook)


def attach(name):
    for hook, pin in PROGRAMS[name].items():
        run("tc", "filter", "replace", "dev", HOST, hook, "pref", "10", "handle", "7", "protocol", "all", "bpf",
            "direct-action", "object-pinned", pin)


def load(peer, arguments, seconds):
    kind, number = arguments
    return int(run(*in_netns(POD, LOAD, kind, peer.v4, PORT, number, seconds)))


def statistics_of(pin):
    info = json.loads(run("bpftool", "--json", "prog", "show", "pinned", pin))
    return info.get("run_time_ns", 0), info.get("run_cnt", 0)


def cost(peer, arguments, name, seconds):
    """Nanoseconds a packet of each hook, the timer's own cost included."""
    attach(name)
    before = {hook: statistics_of(pin) for hook, pin in PROGRAMS[name].items()}
    load(peer, arguments, seconds)
    after = {hook: statistics_of(pin) for hook, pin in PROGRAMS[name].items()}
    detach()
    return {hook: (after[hook][0] - before[hook][0]) / max(1, after[hook][1] - before[hook][1]) for hook in HOOKS}


def throughput(peer, arguments, name, seconds):
    if name:
        attach(name)
    done = load(peer, arguments, seconds)
    if name:
        detach()
    return done


def measure(peer, arguments, rounds, seconds):
    costs = {name: {hook: [] for hook in HOOKS} for name in PROGRAMS}
    ratios = []
    for _ in range(rounds):
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
        for name in random.sample(list(PROGRAMS), len(PROGRAMS)):
            for hook, ns in cost(peer, arguments, name, seconds).items():
                costs[name][hook].append(ns)
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")
        done = {name: throughput(peer, arguments, name, seconds) for name in random.sample([None, "podrtt"], 2)}
        ratios.append(done["podrtt"] / done[None])
    return {name: {hook: statistics.median(ns) for hook, ns in by_hook.items()} for name, by_hook in costs.items()}, \
        statistics.median(ratios)


def main():
    parser = argparse.ArgumentParser(prog="hack/bench datapath", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=1, help="length of each measurement")
    parser.add_argument("--traffic", default="", help="only kinds whose name contains this")
    options = parser.parse_args()

    node.prepare()
    make_pod()
    peer = Peer("peer", 200)
    peer.connect()
    daemon = Daemon("--log-level", "error")
    run("bpftool", "prog", "loadall", BIN.parent / "bpf/baseline.bpf.o", BASELINE)
    server = subprocess.Popen(in_netns(peer.name, LOAD, "serve", str(PORT)), stdout=subprocess.PIPE, text=True)
    server.stdout.readline()

    print(f"ns a packet above an empty program, medians of {options.rounds} interleaved rounds\n")
    print(f"{'':30} {'':8} {'empty':>7} {'look-up':>8} {'podrtt':>7} {'ratio':>6} {'throughput':>11}")
    for name, (arguments, settings) in TRAFFIC.items():
        if options.traffic not in name:
            continue
        set_up(peer, settings)
        medians, ratio = measure(peer, arguments, options.rounds, options.seconds)
        for hook in HOOKS:
            empty = medians["empty"][hook]
            least, mine = medians["lookup"][hook] - empty, medians["podrtt"][hook] - empty
            first = hook == "ingress"
            print(f"{name if first else '':30} {HOOKS[hook]:8} {empty:7.0f} {least:8.0f} {mine:7.0f} {mine / least:6.2f} "
                  f"{f'{ratio:11.2f}' if first else ''}", flush=True)
    daemon.stop()


if __name__ == "__main__":
    main()
