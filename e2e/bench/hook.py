# SPDX-License-Identifier: Apache-2.0
"""A pod on whose veth programs take turns, a peer that it talks to, and loads between the two."""

import contextlib
import ctypes
import pathlib
import random
import resource
import statistics
import subprocess
import time

import node
from node import BIN, PINS, Daemon, Peer, add_netns, configure_link, in_netns, run
from results import Results, spread

BPFFS = pathlib.Path("/sys/fs/bpf")
BASELINE = BPFFS / "baseline"
HOOKS = {"ingress": "from_pod", "egress": "to_pod"}
PROGRAMS = {name: {hook: BASELINE / f"{name}_{way}" for hook, way in HOOKS.items()} for name in ("empty", "parse", "lookup")}
PROGRAMS["podrtt"] = {hook: PINS / f"podrtt_{way}" for hook, way in HOOKS.items()}
HOST, POD, POD_ID = "pod0", "pod", 7

MOST_CLIENTS = 17_000  # of one server: it has a file for each, of 20,000
REDIS = range(6379, 6385)
SERVERS = {5201: ("iperf3", "-s"), 11111: ("sockperf", "server", "--tcp", "-p", "11111"),
           **{port: ("redis-server", "--protected-mode", "no", "--save", "", "--maxclients", str(MOST_CLIENTS + 100), "--port",
                     str(port)) for port in REDIS}}

# Seconds: until the load is steady, until a program's caches are (5,000 connections take 50 ms
# for a turn), and of measuring; and what attaching takes.
WARM_UP, SETTLE, WINDOW, TURN = 0.5, 0.15, 0.12, 0.05

libbpf = ctypes.CDLL("libbpf.so.1")


class Hook:
    """To be made once, after node.prepare(), while a daemon runs."""

    def __init__(self, *ports):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        self._make_pod()
        self.peer = Peer("peer", 200)
        self.peer.connect()
        run("bpftool", "prog", "loadall", BIN.parent / "e2e/baseline.bpf.o", BASELINE)
        self.servers = [subprocess.Popen(in_netns(self.peer.name, "taskset", "-c", "1", *SERVERS[port]),
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for port in ports]
        for port in ports:
            node.wait_until(lambda port=port: run(*in_netns(self.peer.name, "ss", "-Hltn", f"sport = :{port}")),
                            f"a server listens on port {port}")
        self.open_programs()
        self.set()

    def open_programs(self):
        self.fds = {name: {hook: libbpf.bpf_obj_get(str(pin).encode()) for hook, pin in pins.items()}
                    for name, pins in PROGRAMS.items()}

    @staticmethod
    def _make_pod():
        add_netns(POD)
        run("ip", "link", "add", HOST, "type", "veth", "peer", "name", "eth0", "netns", POD)
        configure_link(HOST, "10.99.0.1/24", "fd99::1/64")
        configure_link("eth0", "10.99.0.2/24", "fd99::2/64", POD)
        for gateway in ("10.99.0.1", "fd99::1"):
            run(*in_netns(POD, "ip", "route", "add", "default", "via", gateway))
        run("tc", "qdisc", "add", "dev", HOST, "clsact")

    def set(self, gso_max_segs=65535, tcp_timestamps=1):
        """Sets both ends: the pod, and the peer that it talks to."""
        for netns in (POD, self.peer.name):
            run(*in_netns(netns, "ip", "link", "set", "eth0", "gso_max_segs", gso_max_segs))
            run(*in_netns(netns, "sysctl", "-qw", f"net.ipv4.tcp_timestamps={tcp_timestamps}",
                          "net.ipv4.tcp_tw_reuse=1", "net.ipv4.ip_local_port_range=1024 65535",
                          "net.core.somaxconn=4096", "net.ipv4.tcp_max_syn_backlog=8192"))

    @staticmethod
    def detach():
        for hook in HOOKS:
            run("tc", "filter", "delete", "dev", HOST, hook)

    @staticmethod
    def attach(name):
        for hook, pin in PROGRAMS[name].items():
            run("tc", "filter", "replace", "dev", HOST, hook, "pref", "10", "handle", "7", "protocol", "all", "bpf",
                "direct-action", "object-pinned", pin, "flowid", f"1:{POD_ID}")

    def statistics_of(self, name):
        """Nanoseconds and runs of a program on each hook so far."""
        found = {}
        for hook, fd in self.fds[name].items():
            with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
                info = dict(line.split(":") for line in lines)
            found[hook] = int(info["run_time_ns"]), int(info["run_cnt"])
        return found

    def costs(self, names, rounds, settle=SETTLE):
        """Nanoseconds a packet by program and hook, the timer's own cost included: a list of one
        figure for each round. All programs take turns on the same connections."""
        found = {name: {hook: [] for hook in HOOKS} for name in names}
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
        for _ in range(rounds):
            for name in random.sample(names, len(names)):
                self.attach(name)
                time.sleep(settle)
                before = self.statistics_of(name)
                time.sleep(WINDOW)
                for hook, (ns, runs) in self.statistics_of(name).items():
                    if runs > before[hook][1]:
                        found[name][hook].append((ns - before[hook][0]) / (runs - before[hook][1]))
        run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")
        self.detach()
        return found

    def rates(self, names, rounds, count):
        """What `count` says a second with each program and, under None, without any: a list of one figure
        for each round."""
        found = {name: [] for name in (None, *names)}
        for _ in range(rounds):
            for name in random.sample(list(found), len(found)):
                if name:
                    self.attach(name)
                time.sleep(SETTLE)
                start, before = time.monotonic(), count()
                time.sleep(WINDOW)
                found[name].append((count() - before) / (time.monotonic() - start))
                if name:
                    self.detach()
        return found

    def stop(self):
        for server in self.servers:
            server.kill()


@contextlib.contextmanager
def measuring(name, *ports):
    """A node with a daemon, a hook with servers on the ports, and results that are kept when the block has ended."""
    node.prepare()
    daemon = Daemon("--log-level", "error")
    bench, results = Hook(*ports), Results(name)
    yield bench, results
    results.save()
    bench.stop()
    daemon.stop()


def ratio_row(name, without, found):
    """Of rates(): what is transferred without, in words, and of that with the empty program and with podrtt."""
    return [name, without, *(spread([with_it / alone for with_it, alone in zip(found[program], found[None])])
                             for program in ("empty", "podrtt"))]


def above_empty(found):
    """Medians of costs(), without what the timer and the hook cost: by program and hook."""
    medians = {name: {hook: statistics.median(values) for hook, values in by_hook.items() if values}
               for name, by_hook in found.items()}
    # Of a flood, which comes from one side, some program may have seen a packet of the other.
    return {name: {hook: value - medians["empty"][hook] for hook, value in by_hook.items() if hook in medians["empty"]}
            for name, by_hook in medians.items() if name != "empty"}, medians["empty"]


def load_command(load, address, number, seconds, port=6379):
    if load == "iperf3":
        return ("iperf3", "-c", address, "-P", number, "-t", seconds)
    if load == "flood":
        return (BIN / "flood", "syn", address, "9", number * seconds, seconds)
    return ("redis-benchmark", "-h", address, "-p", port, "-c", number, "-n", 2**31 - 1, "-t", "get", "-q",
            "-k", 1 if load == "redis" else 0)


class Load:
    """Traffic between pod and peer, each on a CPU of its own, for as long as the block lasts."""

    def __init__(self, *arguments, warm_up=WARM_UP, **options):
        self.command = in_netns(POD, "taskset", "-c", "0", *load_command(*arguments, **options))
        self.warm_up = warm_up

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(self.warm_up)
        return self

    def __exit__(self, *_):
        if self.process.poll() is not None:
            raise node.CommandFailed("the load ended too early")
        self.process.kill()
        self.process.wait()

    def connections(self):
        """How many the pod has begun so far."""
        with open(f"/proc/{self.process.pid}/net/snmp", encoding="ascii") as lines:
            names, values = [line.split() for line in lines if line.startswith("Tcp:")]
        return int(values[names.index("ActiveOpens")])


def transferred():
    """Bytes through the host veth so far."""
    return sum(_counters()[place] for place in (0, 8))


def passed():
    """Packets through the host veth so far, as HOOKS has them: from the pod, and to it."""
    counters = _counters()
    return {"ingress": counters[1], "egress": counters[9]}


def _counters():
    with open("/proc/self/net/dev", encoding="ascii") as lines:
        return [int(number) for line in lines if line.strip().startswith(f"{HOST}:") for number in line.split(":")[1].split()]


def seconds_of(rounds, programs):
    """How long a load must last for costs() and rates() together."""
    return round(WARM_UP + rounds * (2 * programs + 1) * (SETTLE + WINDOW + TURN)) + 10
