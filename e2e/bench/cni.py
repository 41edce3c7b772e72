# SPDX-License-Identifier: Apache-2.0
"""What a call of the plugin costs beside the reference plugins of Debian: wall time of ADD and
DEL, one and many at once, and how long the kernel's lock of network configuration (RTNL) is held, for which all
pods that are being created wait; by clsact and by TCX. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import ctypes
import json
import os
import random
import statistics
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, CNI_BIN, NETNS, Daemon, add_netns, configure_link, run
from results import Results, spread

HOST, POD = "pod0", "pod0"
AT_ONCE = 30
DEADLINE = 0.5  # of an ADD by default, seconds
PORTS = [{"hostPort": 18080, "containerPort": 80, "protocol": "tcp"}]
RATE = {"ingressRate": 10**9, "ingressBurst": 10**8}  # of the pod; egressRate has no room beside clsact
PLUGINS = {
    "podrtt": {"type": "podrtt"},
    "tuning": {"type": "tuning", "sysctl": {"net.core.somaxconn": "500"}},
    "portmap": {"type": "portmap", "snat": True, "runtimeConfig": {"portMappings": PORTS}},
    "bandwidth": {"type": "bandwidth", **RATE},
}


# What ADD leaves and DEL does not take away, because it goes with the veth.
LEFT = {
    "podrtt": [("tc", "filter", "delete", "dev", HOST, hook) for hook in ("ingress", "egress")],
    "bandwidth": [("tc", "qdisc", "delete", "dev", HOST, "root")],
}


class Rtnl:
    """Nanoseconds that commands have held the lock, by BPF; a kernel that is locked down does
    not allow that."""

    def __init__(self):
        libbpf = ctypes.CDLL("libbpf.so.1")
        libbpf.libbpf_set_print(None)
        for function in (libbpf.bpf_object__open, libbpf.bpf_object__next_program, libbpf.bpf_program__attach):
            function.restype = ctypes.c_void_p
        traced = ctypes.c_void_p(libbpf.bpf_object__open(str(BIN.parent / "e2e/rtnl.bpf.o").encode()))
        self.works = libbpf.bpf_object__load(traced) == 0
        program = None
        while self.works and (program := libbpf.bpf_object__next_program(traced, ctypes.c_void_p(program))):
            self.works = libbpf.bpf_program__attach(ctypes.c_void_p(program)) is not None

    def held(self):
        if not self.works:
            return {}
        entries = json.loads(run("bpftool", "--json", "map", "dump", "name", "held"))
        return {entry["formatted"]["key"]["name"]: entry["formatted"]["value"]["ns"] for entry in entries}


def make_veth(number):
    """Anew, so that nothing is attached to it."""
    subprocess.run(["ip", "link", "delete", f"pod{number}"], stderr=subprocess.DEVNULL, check=False)
    run("ip", "link", "add", f"pod{number}", "type", "veth", "peer", "name", "eth0", "netns", f"pod{number}")
    configure_link(f"pod{number}", f"10.99.{number}.1/24", f"fd99:{number}::1/64")
    configure_link("eth0", f"10.99.{number}.2/24", f"fd99:{number}::2/64", f"pod{number}")


def result(number):
    return {"cniVersion": "1.0.0", "interfaces": [{"name": f"pod{number}"}, {"name": "eth0", "sandbox": str(NETNS / f"pod{number}")}],
            "ips": [{"address": f"10.99.{number}.2/24", "gateway": f"10.99.{number}.1", "interface": 1}], "routes": [], "dns": {}}


def call(command, plugin, number=0):
    """Seconds from start to exit."""
    folder = BIN if plugin["type"] == "podrtt" else CNI_BIN
    config = json.dumps({"cniVersion": "1.0.0", "name": "podnet", **plugin, "prevResult": result(number)})
    environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": f"0123abc{number}", "CNI_NETNS": str(NETNS / f"pod{number}"),
                   "CNI_IFNAME": "eth0", "CNI_PATH": str(CNI_BIN), "PATH": os.environ["PATH"],
                   "CNI_ARGS": f"IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-{number}"}
    start = time.perf_counter()
    done = subprocess.run([folder / plugin["type"]], input=config, env=environment, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode != 0 or done.stderr:
        raise node.CommandFailed(f"{plugin['type']} {command}: {done.stdout} {done.stderr}")
    return taken


def one_at_a_time(rounds, rtnl, results):
    taken = {(name, command): [] for name in PLUGINS for command in ("ADD", "DEL")}
    before = {}
    for round_number in range(rounds + 1):  # the first one sets things up for good
        if round_number == 1:
            taken = {key: [] for key in taken}
            before = rtnl.held()
        for name in random.sample(list(PLUGINS), len(PLUGINS)):
            for command in ("ADD", "DEL"):
                taken[name, command].append(call(command, PLUGINS[name]))
            for command in LEFT.get(name, []):
                run(*command)
    after = rtnl.held()
    rows = []
    for name in PLUGINS:
        held = (after.get(name, 0) - before.get(name, 0)) / rounds / 1e3
        rows.append([name, *(spread([each * 1e3 for each in taken[name, command]], ".2f") for command in ("ADD", "DEL")),
                     f"{held:.1f}" if rtnl.works else "not told"])
    results.table("One call at a time, ms", ["plugin", "ADD", "DEL", "RTNL held, µs a pair"], rows,
                  f"Medians and quartiles of {rounds} interleaved rounds.")


def many_at_once(rounds, plugin):
    """Milliseconds of a call, and until all of them have ended."""
    each, all_of_them = [], []
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in range(rounds):
            start = time.perf_counter()
            each += pool.map(lambda number: call("ADD", plugin, number), range(AT_ONCE))
            all_of_them.append(time.perf_counter() - start)
            list(pool.map(lambda number: call("DEL", plugin, number), range(AT_ONCE)))
            for number in range(AT_ONCE):
                make_veth(number)
    late = sum(taken > DEADLINE for taken in each)
    return [f"{statistics.median(each) * 1e3:.1f}", f"{max(each) * 1e3:.1f}", f"{statistics.median(all_of_them) * 1e3:.0f}",
            f"{late} of {len(each)}"]


def alone(rounds):
    """Milliseconds of an ADD to a new veth."""
    taken = []
    for _ in range(rounds):
        make_veth(0)
        taken.append(call("ADD", PLUGINS["podrtt"]) * 1e3)
        call("DEL", PLUGINS["podrtt"])
    return spread(taken, ".2f")


def main():
    parser = argparse.ArgumentParser(prog="hack/bench cni", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()

    node.prepare()
    for number in range(AT_ONCE):
        add_netns(f"pod{number}")
        make_veth(number)
    results = Results("cni")
    daemon = Daemon("--log-level", "error")
    one_at_a_time(options.rounds, Rtnl(), results)
    rounds = max(1, options.rounds // 20)
    patient = PLUGINS["podrtt"] | {"timeoutMs": 5000}
    rows = [["podrtt", *many_at_once(rounds, patient)], ["tuning", *many_at_once(rounds, PLUGINS["tuning"])]]
    daemon.stop()
    daemon = Daemon("--log-level", "error", "--attach", "tcx")
    rows.insert(1, ["podrtt, by TCX", *many_at_once(rounds, patient)])
    results.table(f"{AT_ONCE} ADDs at once, ms", ["plugin", "a call, median", "the longest", "until all have ended", "over 500 ms"], rows,
                  f"Of {rounds} rounds, with a deadline of 5 s. By default a call ends after 500 ms, and the daemon attaches to the pod a few "
                  f"seconds later. One ADD by TCX, alone: {alone(options.rounds // 2)} ms; the kernel waits for an RCU grace period under the RTNL lock there.")
    results.save()
    daemon.stop()


if __name__ == "__main__":
    main()
