# SPDX-License-Identifier: Apache-2.0
"""A full node for a while: many pods and connections, scrapes, and pods that come and go. Reports
what the daemon costs, and whether a count was lost or anything left behind. Run by hack/soak,
inside e2e/rig/isolate."""

import argparse
import itertools
import re
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import node
from node import BIN, Daemon, Peer, in_netns, serve, wait_until
from pods import PORT, PROTOBUF, QuickPod, cpu_seconds, metrics, resident, scrape, value

IDLE_SECONDS, SCRAPES = 30, 60


def handshakes(text, namespace):
    return sum(float(number) for number in re.findall(
        rf'^podrtt_namespace_tcp_handshake_seconds_count{{namespace="{namespace}",leg="network",[^}}]*}} (\S+)$', text,
        re.MULTILINE))


def row(what, figure, target=""):
    print(f"  {what:48} {figure:>16} {target}", flush=True)


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
        pods = list(pool.map(lambda number: QuickPod("steady", f"pod-{number}").create(), range(options.pods)))
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
            pod = QuickPod("churn", f"pod-{number % 50}").create()  # names come back
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
