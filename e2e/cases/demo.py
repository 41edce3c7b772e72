# SPDX-License-Identifier: Apache-2.0
"""Four pods, real traffic, and the latency that podrtt sees, checked against a delay line
that logs how long it held every packet. Run by hack/demo, inside e2e/rig/isolate; with the number of a
listening socket outside of it, keeps pods and traffic until a key is pressed, and serves the page there."""

import contextlib
import select
import socket
import statistics
import sys
import tempfile
import termios
import threading
import tty

import line_log
from node import BIN, TRAFFIC, Chain, CommandFailed, Daemon, Peer, Pod, in_netns, prepare, run, serve, top
from observe import BUCKET

PORT = 8080
DELAY_US = 5000


def step(text):
    print(f"==> {text}", flush=True)


def check(holds, text):
    print(f"  {'ok  ' if holds else 'FAIL'}  {text}", flush=True)
    return holds


def traffic(jobs):
    """Runs all jobs, each (pod, arguments of traffic.py), at the same time."""
    running = [pod.popen(*TRAFFIC, *map(str, arguments)) for pod, arguments in jobs]
    if any([job.wait(120) for job in running]):
        raise CommandFailed("traffic failed")


def samples(series, pod, leg, kind):
    return sum(s["samples"] for s in series
               if (s["namespace"], s["pod"], s["leg"], s["kind"]) == (pod.namespace, pod.name, leg, kind))


def copy(source, target):
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def serve_page(listening, port):
    """Hands on to the daemon, in here, whoever comes from outside."""
    while True:
        client, _ = listening.accept()
        daemon = socket.create_connection(("127.0.0.1", port))
        for pair in ((client, daemon), (daemon, client)):
            threading.Thread(target=copy, args=pair, daemon=True).start()


def wait_for_key():
    if not sys.stdin.isatty():
        sys.stdin.read(1)
        return
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin)
    try:
        select.select([sys.stdin], [], [])
        sys.stdin.read(1)
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def keep(listening, jobs):
    """Runs the jobs again and again, and serves the page, until a key is pressed."""
    ended = threading.Event()

    def work():
        while not ended.is_set():
            traffic(jobs)
            ended.wait(0.5)

    working = threading.Thread(target=work)
    working.start()
    threading.Thread(target=serve_page, args=(listening, 9435), daemon=True).start()
    host, port = listening.getsockname()
    print(f"\nPods and traffic go on. The page is at http://{host}:{port}/, for Prometheus http://{host}:{port}/metrics.\n"
          "Press a key to end.", flush=True)
    wait_for_key()
    ended.set()
    working.join()


def main():
    outside = socket.socket(fileno=int(sys.argv[1])) if len(sys.argv) > 1 else None
    prepare()
    log = f"{tempfile.mkdtemp(dir='/run')}/line.log"

    step("The node daemon loads the programs and serves /metrics")
    daemon = Daemon("--peer", "near=10.200.0.0/24", "--peer", "near=fd00:200::/64",
                    "--peer", "far=10.201.0.0/24", "--peer", "far=fd00:201::/64", "--grace-period", "1")

    step(f"Two hosts to talk to: \"near\", and \"far\" behind a line of 2 x {DELAY_US / 1000:g} ms")
    near = Peer("near", 200)
    near.connect()
    far = Peer("far", 201)
    far.connect_by_delay_line(DELAY_US, log)
    for peer in (near, far):
        serve(in_netns(peer.name), PORT)

    step("Four pods, each made by the CNI chain ptp, host-local, podrtt")
    chain = Chain()
    db = Pod(chain, "data", "db-0").create()
    batch = Pod(chain, "data", "batch-7xk2p").create()
    web = Pod(chain, "shop", "web-6d4b75cb6d-hx9qk").create()
    checkout = Pod(chain, "shop", "checkout-0").create()
    serve(in_netns(db.netns), PORT)
    for pod in (db, batch, web, checkout):
        print(f"  {pod.namespace + '/' + pod.name:32} {pod.v4:12} {pod.v6:10} {pod.host_veth}")

    step("Traffic: short requests and bulk, IPv4 and IPv6")
    connections = {web: 60, checkout: 20, batch: 2}
    short = [
        (web, ("requests", near.v4, PORT, 20, 20)),
        (web, ("requests", near.v6, PORT, 20, 20)),
        (web, ("requests", db.v4, PORT, 10, 20)),
        (web, ("requests", db.v6, PORT, 10, 20)),
        (checkout, ("requests", far.v4, PORT, 10, 20)),
        (checkout, ("requests", far.v6, PORT, 10, 20)),
    ]
    traffic(short)
    traffic([
        (batch, ("bulk", near.v4, PORT, 200_000_000)),
        (batch, ("bulk", near.v6, PORT, 200_000_000)),
    ])
    far.disconnect()  # its log is complete now

    step("What podrtt measured (podrttd top)")
    print(run(BIN / "podrttd", "top", "--once"))
    print("The same for Prometheus (the last lines of /metrics for one pod):")
    metrics = daemon.metrics()
    print("  …\n" + "\n".join([f"  {line}" for line in metrics.splitlines()
                               if line.startswith("podrtt_tcp_rtt_seconds") and checkout.name in line][-3:]) + "\n")

    step("Is it right?")
    series = top()
    good = True
    for pod, opened in connections.items():
        seen = samples(series, pod, "network", "handshake")
        again = pod.syn_retransmits()
        good &= check(opened - again <= seen <= opened,
                      f"{pod.namespace}/{pod.name}: {opened} connections opened ({again} SYNs sent again), "
                      f"{seen} handshakes measured")
        for leg in ("network", "pod"):
            seen = samples(series, pod, leg, "data" if pod is not batch or leg == "network" else "handshake")
            good &= check(seen > 0, f"{pod.namespace}/{pod.name}: {seen} samples on the {leg} leg")
    for kind in ("data", "handshake"):
        trips = line_log.round_trips(log, kind)
        mine = next(s for s in series if s["pod"] == checkout.name and s["leg"] == "network" and s["kind"] == kind)
        logged = statistics.median(trips)
        good &= check(1 / BUCKET < mine["p50_seconds"] / logged < BUCKET,
                      f"checkout-0, {kind}, p50 of the network leg: podrtt {mine['p50_seconds'] * 1e3:.2f} ms, "
                      f"logged by the line {logged * 1e3:.2f} ms ({len(trips)} round trips)")
    sums = sum(s["samples"] for s in series if s["kind"] == "data")
    exported = sum(float(line.split()[-1]) for line in metrics.splitlines()
                   if line.startswith("podrtt_tcp_rtt_seconds_count"))
    good &= check(sums == exported, f"/metrics has the same {exported:.0f} samples as the kernel's histograms")

    if outside:
        far.connect_by_delay_line(DELAY_US, "/dev/null")
        far.wait_until_reached()
        keep(outside, short)
        far.disconnect()
    step("The pods are deleted, and the daemon ends")
    for pod in (db, batch, web, checkout):
        pod.delete()
    daemon.stop()
    if not good:
        sys.exit("The demo's numbers are wrong.")
    print("All checks hold.")


if __name__ == "__main__":
    main()
