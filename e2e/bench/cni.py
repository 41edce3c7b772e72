# SPDX-License-Identifier: Apache-2.0
"""What a call of the plugin costs beside the reference plugins of Debian: wall time of ADD and
DEL, and how long the kernel's lock of network configuration (RTNL) is held, for which all
pods that are being created wait. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import ctypes
import json
import os
import random
import statistics
import subprocess
import time

import node
from node import BIN, CNI_BIN, NETNS, Daemon, add_netns, configure_link, run

HOST, POD = "pod0", "pod"
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


def result():
    return {"cniVersion": "1.0.0", "interfaces": [{"name": HOST}, {"name": "eth0", "sandbox": str(NETNS / POD)}],
            "ips": [{"address": "10.99.0.2/24", "gateway": "10.99.0.1", "interface": 1}], "routes": [], "dns": {}}


def call(command, plugin):
    """Seconds from start to exit."""
    folder = BIN if plugin["type"] == "podrtt" else CNI_BIN
    config = json.dumps({"cniVersion": "1.0.0", "name": "podnet", **plugin, "prevResult": result()})
    environment = {"CNI_COMMAND": command, "CNI_CONTAINERID": "0123abc", "CNI_NETNS": str(NETNS / POD),
                   "CNI_IFNAME": "eth0", "CNI_PATH": str(CNI_BIN), "PATH": os.environ["PATH"],
                   "CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web-0"}
    start = time.perf_counter()
    done = subprocess.run([folder / plugin["type"]], input=config, env=environment, capture_output=True, text=True)
    taken = time.perf_counter() - start
    if done.returncode != 0 or done.stderr:
        raise node.CommandFailed(f"{plugin['type']} {command}: {done.stdout} {done.stderr}")
    return taken


def main():
    parser = argparse.ArgumentParser(prog="hack/bench cni", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()

    node.prepare()
    add_netns(POD)
    run("ip", "link", "add", HOST, "type", "veth", "peer", "name", "eth0", "netns", POD)
    configure_link(HOST, "10.99.0.1/24", "fd99::1/64")
    configure_link("eth0", "10.99.0.2/24", "fd99::2/64", POD)
    daemon = Daemon("--log-level", "error")
    rtnl = Rtnl()

    taken = {(name, command): [] for name in PLUGINS for command in ("ADD", "DEL")}
    before = {}
    for round_number in range(options.rounds + 1):  # the first one sets things up for good
        if round_number == 1:
            taken = {key: [] for key in taken}
            before = rtnl.held()
        for name in random.sample(list(PLUGINS), len(PLUGINS)):
            for command in ("ADD", "DEL"):
                taken[name, command].append(call(command, PLUGINS[name]))
            for command in LEFT.get(name, []):
                run(*command)
    after = rtnl.held()

    print(f"medians of {options.rounds} interleaved rounds\n")
    print(f"{'':12} {'ADD, ms':>8} {'DEL, ms':>8} {'RTNL held, µs a pair':>21}")
    for name in PLUGINS:
        add, delete = (statistics.median(taken[name, command]) * 1e3 for command in ("ADD", "DEL"))
        held = (after.get(name, 0) - before.get(name, 0)) / options.rounds / 1e3
        print(f"{name:12} {add:8.2f} {delete:8.2f} {f'{held:.1f}' if rtnl.works else 'not told':>21}")
    daemon.stop()


if __name__ == "__main__":
    main()
