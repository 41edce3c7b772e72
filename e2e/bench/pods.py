# SPDX-License-Identifier: Apache-2.0
"""Many pods, and what their daemon says and costs."""

import itertools
import json
import os
import pathlib
import re
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, TRAFFIC, Peer, Pod, add_netns, in_netns, run, serve, serve_names

PORT = 8080
INTERNET = "203.0.113.1"  # of the peer, too
NAMESPACES = 10


class QuickPod(Pod):
    """With a veth pair made here: reference plugins would take longer than what is measured."""

    numbers = itertools.count(1)

    def __init__(self, namespace, name, may_fail_open=False):
        super().__init__(None, namespace, name)
        self.may_fail_open, self.unmeasured = may_fail_open, False
        number = next(self.numbers)
        self.v4 = f"10.{64 + number // 65536 % 64}.{number // 256 % 256}.{number % 256}"
        self.host_veth = f"quick{number}"

    def create(self):
        add_netns(self.netns)
        run("ip", "link", "add", self.host_veth, "type", "veth", "peer", "name", "eth0", "netns", self.netns)
        run("ip", "link", "set", self.host_veth, "up")
        self._call("ADD")
        inside = f"""
            ip address add {self.v4}/32 dev eth0; ip link set eth0 up; ip route add 169.254.1.1 dev eth0
            ip route add default via 169.254.1.1
            ip neighbour add 169.254.1.1 lladdr $(cat /sys/class/net/eth0/address) dev eth0"""
        mac = json.loads(run("ip", "--json", "link", "show", "dev", self.host_veth))[0]["address"]
        run(*in_netns(self.netns, "sh", "-ec", inside.replace("$(cat /sys/class/net/eth0/address)", mac)))
        run("ip", "route", "add", f"{self.v4}/32", "dev", self.host_veth)
        return self

    def _call(self, command):
        config = {"cniVersion": "1.0.0", "name": "quick", "type": "podrtt",
                  "prevResult": {"cniVersion": "1.0.0", "interfaces": [{"name": "eth0"}]}}
        done = subprocess.run([BIN / "podrtt"], input=json.dumps(config), capture_output=True, text=True,
                              env={"CNI_COMMAND": command, "CNI_PATH": str(BIN), **self.environment})
        self.unmeasured |= "not measured" in done.stderr
        if done.returncode != 0 or (done.stderr and not self.may_fail_open):
            raise node.CommandFailed(f"podrtt {command}: {done.stdout}{done.stderr}")

    def delete(self):
        self._call("DEL")
        run("ip", "netns", "delete", self.netns)

    def connect(self, peer, times):
        """Opens connections; returns how many handshakes podrtt can have seen at least and at most."""
        for _ in range(times):
            run(*in_netns(self.netns, "busybox", "nc", "-w", "5", peer.v4, PORT), stdin=subprocess.DEVNULL)
        return times - self.syn_retransmits(), times

    def be_busy(self, peer):
        """Has one of all that is measured by default, on both legs, with a private peer and one in the internet."""
        ask = " ".join(map(str, TRAFFIC))
        commands = [f"{ask} requests {address} {PORT} 2 5" for address in (peer.v4, INTERNET)]
        run(*in_netns(self.netns, "sh", "-ec", "; ".join([*commands, f"{ask} resolve {peer.v4} name 3 >/dev/null"])))
        server = serve(in_netns(self.netns), PORT)
        run(*in_netns(peer.name, "sh", "-ec", "; ".join(f"{ask} requests {self.v4} {PORT} 2 5 {source}"
                                                        for source in (peer.v4, INTERNET))))
        server.kill()
        server.wait()


URL = "http://127.0.0.1:9435/metrics"
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
            "text/plain;version=0.0.4;q=0.3")


def fetch(accept="text/plain", encoding="identity"):
    headers = {"Accept": accept, "Accept-Encoding": encoding}
    with urllib.request.urlopen(urllib.request.Request(URL, headers=headers), timeout=30) as answer:
        return answer.read()


def scrape(accept="text/plain"):
    """How long it took, and what came."""
    start = time.monotonic()
    body = fetch(accept)
    return time.monotonic() - start, body


def metrics():
    return fetch().decode()


class BusyNode:
    """A peer, and pods that have had one of all that is measured by default."""

    def __init__(self):
        self.peer = Peer("peer", 200)
        self.peer.connect()
        run(*in_netns(self.peer.name, "ip", "address", "add", f"{INTERNET}/32", "dev", "lo"))
        run("ip", "route", "add", INTERNET, "via", self.peer.v4)
        self.servers = [serve(in_netns(self.peer.name), PORT), serve_names(in_netns(self.peer.name))]
        self.pods = []

    def grow(self, count):
        """Until there are so many pods."""
        def add(number):
            pod = QuickPod(f"namespace-{number % NAMESPACES}", f"deployment-7d9c5b8f4-{number:05}").create()
            pod.be_busy(self.peer)
            return pod

        with ThreadPoolExecutor(4) as pool:
            self.pods += pool.map(add, range(len(self.pods), count))

    def stop(self):
        for server in self.servers:
            server.kill()


def cpu_seconds(daemon):
    """What it has used so far; a scrape would add to it."""
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def value(text, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def resident(text):
    """Of the daemon, MiB, without the histograms that it maps: those are among the BPF maps."""
    return (value(text, "process_resident_memory_bytes") -
            value(text, 'podrtt_bpf_map_memory_bytes{map="histograms"}')) / 2**20
