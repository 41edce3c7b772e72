# SPDX-License-Identifier: Apache-2.0
"""What the BPF programs cost: nanoseconds a packet above an empty program on the same hook,
and throughput with podrtt on against off. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import ctypes
import json
import pathlib
import random
import resource
import statistics
import subprocess
import time

import node
from node import BIN, PINS, Peer, Daemon, add_netns, configure_link, in_netns, run

BASELINE = pathlib.Path("/sys/fs/bpf/baseline")
HOOKS = {"ingress": "from_pod", "egress": "to_pod"}
PROGRAMS = {
    "empty": {hook: BASELINE / f"empty_{way}" for hook, way in HOOKS.items()},
    "lookup": {hook: BASELINE / f"lookup_{way}" for hook, way in HOOKS.items()},
    "podrtt": {hook: PINS / f"podrtt_{way}" for hook, way in HOOKS.items()},
}
HOST, POD, POD_ID = "pod0", "pod", 7

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

SERVERS = {5201: ("iperf3", "-s"),
           6379: ("redis-server", "--protected-mode", "no", "--save", "", "--maxclients", "10000")}

# Seconds: until the load is steady, until a program's caches are (5,000 connections take 50 ms
# for a turn), and of measuring; and what attaching takes.
WARM_UP, SETTLE, WINDOW, TURN = 0.5, 0.15, 0.12, 0.05

FDS = {}  # of the programs, as in PROGRAMS


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
            "direct-action", "object-pinned", pin, "flowid", f"1:{POD_ID}")


def load_command(load, peer, number, seconds):
    if load == "iperf3":
        return ("iperf3", "-c", peer.v4, "-P", number, "-t", seconds)
    if load == "flood":
        return (BIN / "flood", "syn", peer.v4, "9", number * seconds, seconds)
    return ("redis-benchmark", "-h", peer.v4, "-c", number, "-n", 2**31 - 1, "-t", "get", "-q",
            "-k", 1 if load == "redis" else 0)


class Load:
    """Traffic between pod and peer, each on a CPU of its own, for as long as the block lasts."""

    def __init__(self, *arguments):
        self.command = in_netns(POD, "taskset", "-c", "0", *load_command(*arguments))

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(WARM_UP)

    def __exit__(self, *_):
        if self.process.poll() is not None:
            raise node.CommandFailed("the load ended too early")
        self.process.kill()
        self.process.wait()


def statistics_of(name):
    """Nanoseconds and runs of a program on each hook so far."""
    found = {}
    for hook, fd in FDS[name].items():
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
            info = dict(line.split(":") for line in lines)
        found[hook] = int(info["run_time_ns"]), int(info["run_cnt"])
    return found


def transferred():
    """Bytes through the host veth so far."""
    with open("/proc/self/net/dev", encoding="ascii") as lines:
        numbers = next(line.split(":")[1].split() for line in lines if line.strip().startswith(f"{HOST}:"))
    return int(numbers[0]) + int(numbers[8])


def costs(names, rounds):
    """Nanoseconds a packet by program and hook, the timer's own cost included: a list of one
    figure for each round. All programs take turns on the same connections."""
    found = {name: {hook: [] for hook in HOOKS} for name in names}
    run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
    for _ in range(rounds):
        for name in random.sample(names, len(names)):
            attach(name)
            time.sleep(SETTLE)
            before = statistics_of(name)
            time.sleep(WINDOW)
            for hook, (ns, runs) in statistics_of(name).items():
                if runs > before[hook][1]:
                    found[name][hook].append((ns - before[hook][0]) / (runs - before[hook][1]))
    run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")
    detach()
    return found


def throughput(names, rounds):
    """What is transferred with each program, of what is transferred without any: medians."""
    ratios = {name: [] for name in names}
    for _ in range(rounds):
        done = {}
        for name in random.sample([None, *names], len(names) + 1):
            if name:
                attach(name)
            time.sleep(SETTLE)
            start, before = time.monotonic(), transferred()
            time.sleep(WINDOW)
            done[name] = (transferred() - before) / (time.monotonic() - start)
            if name:
                detach()
        for name in names:
            ratios[name].append(done[name] / done[None])
    return {name: statistics.median(by_round) for name, by_round in ratios.items()}


def main():
    parser = argparse.ArgumentParser(prog="hack/bench datapath", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="of 0.15 s for each program")
    parser.add_argument("--traffic", default="", help="only kinds whose name contains this")
    parser.add_argument("--sample-interval", metavar="MS", default="0", help="as podrttd has it (default: 0)")
    options = parser.parse_args()

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    node.prepare()
    make_pod()
    peer = Peer("peer", 200)
    peer.connect()
    daemon = Daemon("--log-level", "error", "--sample-interval", options.sample_interval)
    run("bpftool", "prog", "loadall", BIN.parent / "e2e/baseline.bpf.o", BASELINE)
    servers = [subprocess.Popen(in_netns(peer.name, "taskset", "-c", "1", *command), stdout=subprocess.DEVNULL)
               for command in SERVERS.values()]
    for port in SERVERS:
        node.wait_until(lambda: run(*in_netns(peer.name, "ss", "-Hltn", f"sport = :{port}")),
                        f"a server listens on port {port}")
    libbpf = ctypes.CDLL("libbpf.so.1")
    for name, pins in PROGRAMS.items():
        FDS[name] = {hook: libbpf.bpf_obj_get(str(pin).encode()) for hook, pin in pins.items()}

    print(f"ns a packet above an empty program, medians of {options.rounds} interleaved rounds\n")
    print(f"{'':30} {'':8} {'empty':>7} {'look-up':>8} {'podrtt':>7} {'ratio':>6}  throughput: empty, look-up, podrtt")
    for name, (load, number, settings) in TRAFFIC.items():
        if options.traffic not in name:
            continue
        set_up(peer, settings)
        seconds = round(WARM_UP + options.rounds * (2 * len(PROGRAMS) + 1) * (SETTLE + WINDOW + TURN)) + 5
        with Load(load, peer, number, seconds):
            found = costs(list(PROGRAMS), options.rounds)
            ratios = throughput(list(PROGRAMS), options.rounds)
        for hook in HOOKS:
            if not found["podrtt"][hook]:
                continue  # a flood comes from one side
            median = {program: statistics.median(by_hook[hook]) for program, by_hook in found.items()}
            least, mine = median["lookup"] - median["empty"], median["podrtt"] - median["empty"]
            first = hook == "ingress"
            print(f"{name if first else '':30} {HOOKS[hook]:8} {median['empty']:7.0f} {least:8.0f} {mine:7.0f} "
                  f"{mine / least:6.2f} {''.join(f'{ratio:9.3f}' for ratio in ratios.values()) if first else ''}", flush=True)
    lengths = {name: json.loads(run("bpftool", "--json", "prog", "show", "pinned", pins["ingress"]))["bytes_xlated"] // 8
               for name, pins in PROGRAMS.items()}
    print("\ninstructions: " + ", ".join(f"{name} {length}" for name, length in lengths.items()))
    daemon.stop()
    for server in servers:
        server.kill()


if __name__ == "__main__":
    main()
