# SPDX-License-Identifier: Apache-2.0
"""A full node for a while: many pods and connections, scrapes, and pods that come and go. Reports
what the daemon costs, and whether a count was lost or anything left behind. Run by hack/soak,
inside e2e/rig/isolate."""

import argparse
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, Daemon, Peer, Pod, add_netns, in_netns, run, serve, wait_until

PORT = 8080
IDLE_SECONDS, SCRAPES = 30, 60


class SoakPod(Pod):
    """With a veth pair made here: reference plugins would take longer than what is measured."""

    numbers = itertools.count(1)

    def __init__(self, namespace, name, may_fail_open=False):
        super().__init__(None, namespace, name)
        self.may_fail_open, self.unmeasured = may_fail_open, False
        number = next(self.numbers)
        self.v4 = f"10.{64 + number // 65536 % 64}.{number // 256 % 256}.{number % 256}"
        self.host_veth = f"soak{number}"

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
        config = {"cniVersion": "1.0.0", "name": "soak", "type": "podrtt",
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


URL = "http://127.0.0.1:9435/metrics"
PROTOBUF = ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,"
            "text/plain;version=0.0.4;q=0.3")


def scrape(accept="text/plain"):
    """How long it took, and what came."""
    start = time.monotonic()
    with urllib.request.urlopen(urllib.request.Request(URL, headers={"Accept": accept}), timeout=30) as answer:
        body = answer.read()
    return time.monotonic() - start, body


def metrics():
    return scrape()[1].decode()


def cpu_seconds(daemon):
    """What it has used so far; a scrape would add to it."""
    fields = pathlib.Path(f"/proc/{daemon.process.pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def value(text, name):
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found.group(1)) if found else 0.0


def handshakes(text, namespace):
    return sum(float(number) for number in re.findall(
        rf'^podrtt_namespace_tcp_handshake_seconds_count{{namespace="{namespace}",leg="network",[^}}]*}} (\S+)$', text,
        re.MULTILINE))


def row(what, figure, target=""):
    print(f"  {what:48} {figure:>16} {target}", flush=True)


def resident(text):
    """Of the daemon, MiB, without the histograms that it maps: those are among the BPF maps."""
    return (value(text, "process_resident_memory_bytes") -
            value(text, 'podrtt_bpf_map_memory_bytes{map="histograms"}')) / 2**20


def main():
    parser = argparse.ArgumentParser(prog="hack/soak", description=__doc__)
    parser.add_argument("--pods", type=int, default=250)
    parser.add_argument("--flows", type=int, default=100_000)
    parser.add_argument("--minutes", type=float, default=10, help="of churn")
    parser.add_argument("--churn", type=float, default=10, help="pods a second that come and go")
    options = parser.parse_args()

    node.prepare()
    peer = Peer("peer", 200)
    peer.connect()
    server = serve(in_netns("peer"), PORT)
    daemon = Daemon("--grace-period", "5", "--log-level", "warning")
    row("RSS before the first pod, MiB", f"{resident(metrics()):.1f}")

    print(f"==> {options.pods} pods, {options.flows} connections", flush=True)
    with ThreadPoolExecutor(4) as pool:
        pods = list(pool.map(lambda number: SoakPod("steady", f"pod-{number}").create(), range(options.pods)))
        expected = list(pool.map(lambda pod: pod.connect(peer, 2), pods))
    each = options.flows // len(pods)
    for pod in pods:
        pod.popen(BIN / "flood", "syn", peer.v4, "9", each, 1, stdout=subprocess.DEVNULL).wait()
    for name, accept in (("text", "text/plain"), ("protobuf", PROTOBUF)):
        taken = [scrape(accept) for _ in range(SCRAPES)]
        row(f"one scrape, {name}, median / largest, ms",
            f"{statistics.median(t for t, _ in taken) * 1e3:.0f} / {max(t for t, _ in taken) * 1e3:.0f}", "at most 50")
        row(f"its size, {name}, KiB", f"{len(taken[-1][1]) / 1024:.0f}")
    text = metrics()
    row("series", str(sum(not line.startswith("#") for line in text.splitlines())))
    row("RSS of the daemon, MiB", f"{resident(text):.1f}", "at most 25")
    maps = sum(float(number) for number in re.findall(r"^podrtt_bpf_map_memory_bytes{\S+ (\S+)$", text, re.MULTILINE))
    row("memory of the BPF maps, MiB", f"{maps / 2**20:.1f}")
    before = cpu_seconds(daemon)
    start = time.monotonic()
    time.sleep(IDLE_SECONDS)
    used = cpu_seconds(daemon) - before
    row("idle CPU, % of a core", f"{used / (time.monotonic() - start) * 100:.2f}", "under 0.1")

    print(f"==> {options.churn:g} pods a second come and go for {options.minutes:g} minutes", flush=True)
    least = most = done = 0
    lock = threading.Lock()
    failed = []

    def come_and_go(number):
        nonlocal least, most, done
        try:
            pod = SoakPod("churn", f"pod-{number % 50}").create()  # names come back
            seen = pod.connect(peer, 1)
            pod.delete()
        except Exception as error:  # pylint: disable=broad-except
            failed.append(str(error))
            return
        with lock:
            least, most, done = least + seen[0], most + seen[1], done + 1

    end = time.monotonic() + options.minutes * 60
    start, decreases, last = time.monotonic(), 0, 0.0
    with ThreadPoolExecutor(8) as pool:
        pending = set()
        for number in itertools.count():
            if time.monotonic() > end:
                break
            pending = {future for future in pending if not future.done()}
            if len(pending) < 16:
                pending.add(pool.submit(come_and_go, number))
            time.sleep(max(0.0, start + number / options.churn - time.monotonic()))
            if number % 50 == 0:
                now = handshakes(metrics(), "churn")
                decreases += now < last
                last = now
    row("pods created and deleted", f"{done}", f"{done / (time.monotonic() - start):.1f} a second")
    wait_until(lambda: 'namespace="churn",pod=' not in metrics(), "all pods of the churn are retired", 60)
    text = metrics()
    seen = handshakes(text, "churn")
    lost = max(0, least - seen) + max(0, seen - most)
    row("handshakes of the churn, opened / counted", f"{most} / {seen:.0f}")
    row("of the pods that stayed, opened / counted",
        f"{sum(most for _, most in expected)} / {handshakes(text, 'steady'):.0f}")
    row("counts lost or doubled", f"{lost:.0f}", "0")
    row("scrapes in which a counter went back", str(decreases), "0")
    row("RSS of the daemon, MiB", f"{resident(text):.1f}")
    left = value(text, 'podrtt_bpf_map_entries{map="pods"}') - len(pods)
    row("pods in the map beyond those that live", f"{left:.0f}", "0")
    row("file descriptors of the daemon", f"{value(text, 'process_open_fds'):.0f}")
    for error in failed[:5]:
        print(f"  failed: {error}")
    daemon.stop()
    server.kill()
    sys.exit(bool(lost or decreases or failed))


if __name__ == "__main__":
    main()
