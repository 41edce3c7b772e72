# SPDX-License-Identifier: Apache-2.0
"""The error of each measure on a line with delay, jitter and loss, with and without TCP timestamps: round trips against
the line's own log, waits against the application's. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import statistics

import line_log
import node
from node import Chain, Daemon, Peer, Pod, floats, in_netns, run, serve, serve_names
from observe import Stream
from results import Results

PORT = 8080
LOG = "/run/line.log"
# Of the line: delay of each direction and jitter in µs, loss of a thousand frames with data to the peer, each such
# frame that is lost; then whether there are timestamps.
LINES = [(delay, jitter, loss, lose_each, timestamps) for timestamps in (True, False) for delay, jitter, loss, lose_each in (
    (200, 0, 0, 0), (2000, 0, 0, 0), (20000, 0, 0, 0), (100000, 0, 0, 0), (2000, 1000, 0, 0), (20000, 10000, 0, 0), (2000, 500, 20, 0),
    (2000, 0, 0, 10))]


def apart(mine, theirs):
    """Medians of both, and how far they are apart."""
    a, b = statistics.median(mine), statistics.median(theirs)
    return f"{a * 1e3:.3f} / {b * 1e3:.3f}, {(a - b) * 1e6:+.0f} µs ({(a / b - 1) * 100:+.1f} %)"


def sums_apart(mine, theirs):
    return f"{sum(mine):.3f} / {sum(theirs):.3f} s, {(sum(mine) / sum(theirs) - 1) * 100:+.2f} %"


def measure(number, delay, jitter, loss, lose_each, timestamps):
    far = Peer(f"far{number}", 60 + number)
    far.connect_by_delay_line(delay, LOG, jitter, loss, lose_each=lose_each)
    serve(in_netns(far.name), PORT)
    serve_names(in_netns(far.name))
    far.wait_until_reached()
    pod = Pod(Chain(), "bench", f"accuracy-{number}").create()
    for netns in (pod.netns, far.name):
        run(*in_netns(netns, "sysctl", "-qw", f"net.ipv4.tcp_timestamps={int(timestamps)}"))
    requests = 100 if delay < 100000 else 30
    with Stream():
        waits = floats(pod, "timed", far.v4, PORT, 1, requests)
        connects = floats(pod, "connects", far.v4, PORT, 20)
        names = floats(pod, "resolve", far.v4, "name", 20)
    far.disconnect()
    mine = {kind: [event["rtt"] for event in Stream.events(pod, kind) if event["leg"] == "network"]
            for kind in ("data", "connect", "response", "recovery", "dns")}
    pod.delete()
    slow = [wait for wait in waits if wait > 0.2 + delay * 2e-6]
    return [f"{delay / 1e3:g} ms" + (f" ± {jitter / 1e3:g}" if jitter else "") + (f", {loss / 10:g} % lost" if loss else "")
            + (f", each {lose_each}th request lost" if lose_each else "") + ("" if timestamps else ", no timestamps"),
            apart(mine["data"], line_log.round_trips(LOG)), apart(mine["response"], waits), apart(mine["connect"], connects),
            apart(mine["dns"], names), sums_apart(mine["recovery"], slow) if lose_each else ""]


def main():
    parser = argparse.ArgumentParser(prog="hack/bench accuracy", description=__doc__)
    parser.parse_args()
    node.prepare()
    daemon = Daemon("--log-level", "error")
    results = Results("accuracy")
    rows = []
    for number, line in enumerate(LINES):
        rows.append(measure(number, *line))
        print(f"==> {rows[-1][0]}", flush=True)
    results.table("Medians of podrtt / of the line's log or the application, ms, and how far apart",
                  ["delay of each direction", "round trip, line's log", "response, application", "connect, application",
                   "DNS, application", "recovery, application's stalls"], rows,
                  "The application's times end when it gets a CPU, some 50 to 200 µs later than podrtt's.")
    results.save()
    daemon.stop()


if __name__ == "__main__":
    main()
