# SPDX-License-Identifier: Apache-2.0
"""All that can go wrong on a node, at once, for a while: pods that come and go, floods of three kinds, a daemon
that is killed and stopped, lists that others rewrite, qdiscs that others delete, clients that read slowly. What
podrtt has counted then is compared with what the programs that made the traffic have counted. Run by
hack/chaos, inside e2e/rig/isolate."""

import argparse
import itertools
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import containerd
import node
from clients import END, REQUEST, slow_reader
from node import BIN, CommandFailed, Daemon, Peer, in_netns, own_filters, run, serve, wait_until
from pods import QuickPod, metrics
from soak import handshakes, row

PORT = 8080
NAMESPACES = [f"churn-{number}" for number in range(10)]
STEADY = 8           # pods that stay; of these the qdiscs are deleted
FLOOD = 20_000       # packets a second, of each kind
MEMORY_MIB = 96      # of the daemon, without the maps: what its limit in the manifests leaves it
CONFLIST = {"cniVersion": "1.0.0", "name": "podnet", "plugins": [
    {"type": "ptp", "ipam": {"type": "host-local", "dataDir": "/run/ipam", "ranges": [[{"subnet": "10.99.0.0/16"}]],
                             "routes": [{"dst": "0.0.0.0/0"}]}}]}


class Opened:
    """How many handshakes podrtt can have seen of a namespace or pod, at least and at most."""

    def __init__(self):
        self.lock = threading.Lock()
        self.least, self.most = Counter(), Counter()

    def add(self, name, seen):
        with self.lock:
            self.least[name] += seen[0]
            self.most[name] += seen[1]

    def compare(self, counted):
        """(lost, invented, under a wrong name)"""
        below = sum(max(0, self.least[name] - counted.get(name, 0)) for name in self.most)
        above = sum(max(0, number - self.most[name]) for name, number in counted.items())
        wrong = min(below, above)
        return below - wrong, above - wrong, wrong


class Chaos:
    """Runs its parts, each in a thread, until the time is over. A part that fails ends, and is reported."""

    def __init__(self, options):
        self.end = time.monotonic() + options.minutes * 60
        self.errors, self.failed_sandboxes = [], []
        self.late_adds = self.pods = self.real_pods = self.kills = self.stops = self.rewrites = self.deletions = 0
        self.cut_readers = self.backwards = 0
        self.namespaces, self.steady_pods = Opened(), Opened()
        self.memory = 0.0
        self.daemon_lock = threading.Lock()

    def running(self):
        return time.monotonic() < self.end

    def sleep(self, seconds):
        time.sleep(max(0.0, min(seconds, self.end - time.monotonic())))

    def run(self, *parts):
        def guard(part):
            try:
                part()
            except Exception:  # pylint: disable=broad-except
                self.errors.append(f"{part.__name__}: {traceback.format_exc()}")

        threads = [threading.Thread(target=guard, args=(part,)) for part in parts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    # ---- the daemon ----

    def start_daemon(self):
        for attempt in itertools.count():
            try:
                self.daemon = Daemon("--grace-period", "3", "--log-level", "error", "--install", "--cni-conf-dir",
                                     str(containerd.CONFLISTS), "--cni-bin-dir", str(containerd.PLUGINS),
                                     "--plugin", str(BIN / "podrtt"))
                return
            except (CommandFailed, TimeoutError):
                if attempt == 3:
                    raise

    def kill_and_stop(self):
        while self.running():
            self.sleep(random.uniform(5, 20))
            with self.daemon_lock:
                if random.random() < 0.5:
                    self.daemon.process.send_signal(signal.SIGSTOP)
                    time.sleep(random.uniform(0.5, 4))
                    self.daemon.process.send_signal(signal.SIGCONT)
                    self.stops += 1
                else:
                    self.daemon.process.kill()
                    self.daemon.process.wait()
                    time.sleep(random.uniform(0, 2))
                    self.start_daemon()
                    self.kills += 1

    def watch(self):
        """Its memory, and whether a counter goes back."""
        before = {}
        while self.running():
            self.sleep(1)
            try:
                status = pathlib.Path(f"/proc/{self.daemon.process.pid}/status").read_text(encoding="ascii")
                self.memory = max(self.memory, int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024)
                text = metrics()
            except (OSError, TypeError):
                continue  # it is being killed, or stopped
            now = {name: handshakes(text, name) for name in NAMESPACES}
            self.backwards += sum(now[name] < before.get(name, 0) for name in now)
            before = now

    # ---- pods ----

    def churn(self, rate, peer):
        def come_and_go(number):
            name = random.choice(NAMESPACES)
            try:
                pod = QuickPod(name, f"pod-{number % 7}", may_fail_open=True).create()
            except Exception as error:  # pylint: disable=broad-except
                self.failed_sandboxes.append(str(error))
                return
            try:
                least, most = pod.connect(peer, random.randint(1, 3))
                self.namespaces.add(name, (0 if pod.unmeasured else least, most))
                self.late_adds += pod.unmeasured
            finally:
                try:
                    pod.delete()
                except Exception as error:  # pylint: disable=broad-except
                    self.failed_sandboxes.append(str(error))
            self.pods += 1

        start = time.monotonic()
        with ThreadPoolExecutor(12) as pool:
            pending = set()
            for number in itertools.count():
                if not self.running():
                    break
                pending = {future for future in pending if not future.done()}
                if len(pending) < 24:
                    pending.add(pool.submit(come_and_go, number))
                self.sleep(start + number / rate - time.monotonic())

    def real_sandboxes(self):
        """By containerd, and the list as it is at the moment."""
        for number in itertools.count():
            if not self.running():
                return
            try:
                self.runtime.run_sandbox("real", f"real-{number}").remove()
                self.real_pods += 1
            except Exception as error:  # pylint: disable=broad-except
                self.failed_sandboxes.append(str(error))
            self.sleep(2)

    def steady(self, pods, peer):
        """Opens connections; deletes a pod's qdisc between two of them, and waits until the filters are back."""
        for number in itertools.count():
            if not self.running():
                return
            pod = random.choice(pods)
            self.steady_pods.add(pod.name, pod.connect(peer, 1))
            if number % 10 == 9:
                run("tc", "qdisc", "delete", "dev", pod.host_veth, "clsact")
                self.deletions += 1
                wait_until(lambda pod=pod: len(own_filters(pod.host_veth)) == 2, f"{pod.name} is measured again", 120)
            self.sleep(0.2)

    # ---- others ----

    def flood(self, attacker, peer):
        kinds = (("syn", peer.v4, PORT), ("syn", peer.v4, 9), ("data", peer.v4, PORT))
        while self.running():
            processes = [attacker.popen(BIN / "flood", kind, host, port, FLOOD * 5, 5, stdout=subprocess.DEVNULL)
                         for kind, host, port in kinds]
            for process in processes:
                process.wait()

    def rewrite_list(self):
        """As Azure's CNS does when it starts, and dropgz."""
        path = containerd.CONFLISTS / "10-test.conflist"
        while self.running():
            self.sleep(random.uniform(8, 20))
            containerd.write_conflist(CONFLIST)
            self.rewrites += 1
            self.sleep(random.uniform(0, 1))
            text = path.read_text(encoding="utf-8")
            path.rename(path.with_suffix(".old"))
            with open(containerd.CONFLISTS / ".half", "w", encoding="utf-8") as half:
                half.write(text)
            (containerd.CONFLISTS / ".half").rename(path)

    def read_slowly(self):
        while self.running():
            readers = []
            for number in range(60):
                request = REQUEST + END if number % 3 else b"GET /met"
                if reader := slow_reader(f"127.0.0.{2 + number % 6}", request, timeout=1):
                    readers.append(reader)
                self.sleep(0.05)
            for reader in readers:
                try:
                    while self.running() and reader.recv(64):
                        time.sleep(0.05)
                except OSError:
                    self.cut_readers += 1
                reader.close()


def counted_by_pod(text, namespace):
    counts = Counter()
    for pod, number in re.findall(rf'^podrtt_tcp_handshake_seconds_count{{namespace="{namespace}",pod="([^"]*)",leg="network",'
                                  r'[^}]*} (\S+)$', text, re.MULTILINE):
        counts[pod] += float(number)
    return counts


def make_attacker(peer):
    """A pod whose forged addresses lead back to it, so that answers pass by its veth, too."""
    attacker = QuickPod("hostile", "attacker").create()
    run("ip", "route", "add", "11.0.0.0/8", "via", attacker.v4, "dev", attacker.host_veth, "onlink")
    run("sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", f"net.ipv4.conf.{attacker.host_veth}.rp_filter=0")
    run(*in_netns(peer.name, "sysctl", "-qw", "net.ipv4.tcp_syncookies=1"))
    return attacker


def main():
    parser = argparse.ArgumentParser(prog="hack/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--churn", type=float, default=10, help="pods a second that come and go")
    options = parser.parse_args()

    node.prepare()
    run("mount", "--make-rshared", "/run")  # for the namespaces that runtimes mount there
    pathlib.Path("/var/lib/cni").mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "tmpfs", "/var/lib/cni")
    peer = Peer("peer", 200)
    peer.connect()
    serve(in_netns("peer"), PORT)
    chaos = Chaos(options)
    chaos.runtime = containerd.Containerd()
    containerd.write_conflist(CONFLIST)
    chaos.start_daemon()
    wait_until(lambda: "podrtt_plugin_installed 1" in metrics(), "the plugin is installed", 30)
    pods = [QuickPod("steady", f"steady-{number}").create() for number in range(STEADY)]
    attacker = make_attacker(peer)
    chaos.end = time.monotonic() + options.minutes * 60

    print(f"==> {options.minutes:g} minutes of {options.churn:g} pods a second, floods of {3 * FLOOD} packets a second, "
          "kills, rewrites, deletions and slow readers", flush=True)
    chaos.run(lambda: chaos.churn(options.churn, peer), chaos.real_sandboxes, lambda: chaos.steady(pods, peer),
              lambda: chaos.flood(attacker, peer), chaos.kill_and_stop, chaos.rewrite_list, chaos.read_slowly, chaos.watch)

    print("==> what has been counted", flush=True)
    wait_until(lambda: not re.search(r'{namespace="churn-\d",pod=', metrics()), "all pods that have gone are retired", 120)
    text = metrics()
    seen = {name: handshakes(text, name) for name in NAMESPACES}
    by_pod = counted_by_pod(text, "steady")
    results = [sum(pair) for pair in zip(chaos.namespaces.compare(seen), chaos.steady_pods.compare(by_pod))]
    row("pods of the churn, sandboxes of containerd", f"{chaos.pods} / {chaos.real_pods}")
    row("ADDs that missed the deadline", f"{chaos.late_adds}")
    row("daemon killed / stopped", f"{chaos.kills} / {chaos.stops}")
    row("lists rewritten, qdiscs deleted", f"{chaos.rewrites} / {chaos.deletions}")
    row("slow readers that were cut", f"{chaos.cut_readers}")
    row("handshakes of the churn, opened / counted", f"{sum(chaos.namespaces.most.values())} / {sum(seen.values()):.0f}")
    row("of the pods that stayed, opened / counted",
        f"{sum(chaos.steady_pods.most.values())} / {sum(by_pod.values()):.0f}")
    row("memory of the daemon at most, MiB", f"{chaos.memory:.1f}", f"at most {MEMORY_MIB}")
    row("scrapes in which a counter went back", str(chaos.backwards), "0")
    for error in [*chaos.errors, *chaos.failed_sandboxes[:5]]:
        print(f"  failed: {error}")
    bounded = chaos.memory <= MEMORY_MIB
    print(f"lost {results[0]:.0f}, invented {results[1]:.0f}, wrong name {results[2]:.0f}, "
          f"sandboxes failed {len(chaos.failed_sandboxes)}, memory {'bounded' if bounded else 'NOT bounded'}")
    chaos.daemon.stop()
    sys.exit(bool(any(results) or chaos.failed_sandboxes or chaos.errors or chaos.backwards or not bounded))


if __name__ == "__main__":
    main()
