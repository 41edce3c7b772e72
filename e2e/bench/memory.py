# SPDX-License-Identifier: Apache-2.0
"""Memory: of the daemon by pods, and whatever clients do; of the BPF maps by default, as they are after the start and
with all of them full. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import http.client
import json
import pathlib
import re
import threading
import time

import node
from clients import END, REQUEST, slow_reader
from node import Daemon, run
from pods import PROTOBUF, BusyNode, fetch
from results import Results

PODS = (0, 30, 100, 250)
# Maps that grow as they fill, and what the kernel takes for an element beside key and value.
GROWING = {"totals": 48, "peers": 40}


class Memory:
    """Of the daemon, MiB."""

    def __init__(self, daemon):
        self.process = pathlib.Path(f"/proc/{daemon.process.pid}")

    def _status(self, field):
        return int(re.search(rf"^{field}:\s+(\d+) kB$", (self.process / "status").read_text(encoding="ascii"), re.MULTILINE)[1]) / 1024

    def mapped(self):
        """The histograms, which are counted among the BPF maps."""
        sizes, ours = 0, False
        for line in (self.process / "smaps").read_text(encoding="ascii").splitlines():
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                ours = "bpf-map" in line
            elif ours and line.startswith("Rss:"):
                sizes += int(line.split()[1])
        return sizes / 1024

    def resident(self):
        return self._status("VmRSS") - self.mapped()

    def own(self):
        """Without files, which all processes share that use them."""
        return self._status("RssAnon")

    def most(self):
        return self._status("VmHWM") - self.mapped()

    def forget_most(self):
        (self.process / "clear_refs").write_text("5", encoding="ascii")


def row(name, memory):
    return [name, f"{memory.resident():.1f}", f"{memory.own():.1f}", f"{memory.most():.1f}"]


def greedy_clients(seconds):
    """Ask for all there is, from many addresses and one, and read nothing or a byte now and then."""
    clients = []
    for number in range(600):
        source = f"127.0.{number % 200}.{2 + number % 3}" if number % 2 else "127.0.0.2"
        request = REQUEST + (b"Accept-Encoding: gzip\r\n" if number % 3 else b"") + END
        if client := slow_reader(source, request, timeout=0.2):
            clients.append(client)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for client in clients[::2]:
            try:
                client.recv(16)
            except OSError:
                pass
    for client in clients:
        client.close()


def askers(count, seconds):
    """Ask without a pause, each for another form."""
    end = time.monotonic() + seconds

    def ask(accept, encoding):
        while time.monotonic() < end:
            try:
                fetch(accept, encoding)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)  # refused, or cut: too many

    threads = [threading.Thread(target=ask, args=(("text/plain", PROTOBUF, "application/openmetrics-text")[number % 3],
                                                  ("identity", "gzip")[number // 3 % 2])) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main():
    parser = argparse.ArgumentParser(prog="hack/bench memory", description=__doc__)
    parser.add_argument("--seconds", type=int, default=20, help="of each attack by clients")
    options = parser.parse_args()
    node.prepare()
    run("sysctl", "-qw", "net.ipv4.tcp_wmem=4096 4096 4096")  # what is not read waits in the daemon
    Daemon.series = ()  # the default ones
    daemon = Daemon("--log-level", "error")
    memory = Memory(daemon)
    busy = BusyNode()
    results = Results("memory")
    rows, points = [], {"resident": [], "own": []}
    for pods in PODS:
        print(f"==> {pods} pods", flush=True)
        busy.grow(pods)
        memory.forget_most()
        for accept in ("text/plain", PROTOBUF):
            for encoding in ("identity", "gzip"):
                fetch(accept, encoding)
        time.sleep(6)  # until what was answered is forgotten
        rows.append(row(f"{pods} pods", memory))
        points["resident"].append((pods, memory.resident()))
        points["own"].append((pods, memory.own()))
    for name, attack in (("600 clients that read next to nothing", lambda: greedy_clients(options.seconds)),
                         ("30 clients that ask without a pause", lambda: askers(30, options.seconds))):
        print(f"==> {name}", flush=True)
        memory.forget_most()
        attack()
        rows.append(row(f"250 pods, {name}", memory))
    results.table("The daemon, MiB, without the histograms that it has mapped",
                  ["", "resident", "of these its own, no files", "most meanwhile"], rows)
    results.plot("Memory of the daemon by pods", "pods", "MiB", points)

    rows, sums = [], [0.0, 0.0]
    for pin in sorted(node.PINS.iterdir()):
        if pin.name.startswith("podrtt_") or not pin.is_file():
            continue  # a program
        shown = json.loads(run("bpftool", "--json", "map", "show", "pinned", pin))
        taken = full = int(shown["bytes_memlock"]) / 2**20
        if pin.name in GROWING:
            full = shown["max_entries"] * (shown["bytes_key"] + shown["bytes_value"] + GROWING[pin.name]) / 2**20
        rows.append([pin.name, f"{taken:.2f}", f"{full:.2f}", f"{shown['max_entries']:,}"])
        sums = [sums[0] + taken, sums[1] + full]
    rows.append(["all", f"{sums[0]:.2f}", f"{sums[1]:.2f}", ""])
    results.figure("maps", sums[1])
    results.table("The BPF maps, MiB, with 250 pods", ["map", "as the kernel accounts for it", "when full", "places"], rows,
                  "Full: as arrays are from the start; what a hash takes as it fills, by size of its elements.")
    results.save()
    busy.stop()
    daemon.stop()


if __name__ == "__main__":
    main()
