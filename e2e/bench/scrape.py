# SPDX-License-Identifier: Apache-2.0
"""What a scrape costs, by pods and by form: CPU of the daemon, bytes, series; and what it costs to be scraped once a
second, by one and by twenty at a time. All pods have had one of all that is measured by default, on both legs, with
peers of two classes. Run by hack/bench, inside e2e/rig/isolate."""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import node
from node import Daemon
from pods import NAMESPACES, PROTOBUF, BusyNode, cpu_seconds, fetch
from results import Results, growth

PODS = (1, 30, 100, 250)
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
FORMS = {"text": ("text/plain", "identity"), "text, gzip": ("text/plain", "gzip"), "OpenMetrics, gzip": (OPENMETRICS, "gzip"),
         "native histograms": (PROTOBUF, "identity"), "native histograms, gzip": (PROTOBUF, "gzip")}


def one_a_second(daemon, scrapes, accept, encoding, at_once=1):
    """Seconds of CPU for each second, and the last answer."""
    with ThreadPoolExecutor(at_once) as pool:
        before, start = cpu_seconds(daemon), time.monotonic()
        for number in range(scrapes):
            answers = list(pool.map(lambda _: fetch(accept, encoding), range(at_once)))
            time.sleep(max(0.0, start + number + 1 - time.monotonic()))
        return (cpu_seconds(daemon) - before) / scrapes, answers[0]


def idle(daemon, seconds=10):
    before = cpu_seconds(daemon)
    time.sleep(seconds)
    return (cpu_seconds(daemon) - before) / seconds


def main():
    parser = argparse.ArgumentParser(prog="hack/bench scrape", description=__doc__)
    parser.add_argument("--scrapes", type=int, default=10, help="of each form, one a second")
    options = parser.parse_args()
    node.prepare()
    Daemon.series = ()  # the default ones
    daemon = Daemon("--log-level", "error")
    busy = BusyNode()
    results = Results("scrape")
    rows, lines = [], {form: [] for form in FORMS}
    for pods in PODS:
        print(f"==> {pods} pods", flush=True)
        busy.grow(pods)
        for form, (accept, encoding) in FORMS.items():
            cpu, body = one_a_second(daemon, options.scrapes, accept, encoding)
            rows.append([f"{pods}, {form}", f"{cpu * 1e3:.1f}", f"{len(body) / 1024:,.0f}"])
            lines[form].append((pods, cpu * 1e3))
            if form == "text":
                series = sum(not line.startswith(b"#") for line in body.splitlines())
                rows[-1].append(f"{series:,}")
                results.figure(f"series of {pods} pods", series)
                of_namespaces = sum(line.startswith(b"podrtt_namespace_") for line in body.splitlines())
                results.figure("series of a namespace", of_namespaces / min(pods, NAMESPACES))
            else:
                rows[-1].append("")
    results.table("A scrape", ["pods, form", "ms of CPU", "KiB", "series"], rows,
                  f"Means of {options.scrapes} scrapes, one a second, with what the daemon does besides (below: nobody asks). Of 30 pods and more, ms ~ "
                  f"pods^{growth(lines['text'][1:]):.2f} as text and pods^{growth(lines['native histograms'][1:]):.2f} as native histograms.")
    results.plot("CPU of a scrape by pods", "pods", "ms", lines)

    results.figure("scrape", lines["text, gzip"][-1][1])
    rows = [["nobody asks", f"{idle(daemon) * 1e3:.1f}"]]
    for at_once in (1, 20):
        cpu, _ = one_a_second(daemon, options.scrapes, "text/plain", "gzip", at_once)
        rows.append([f"{at_once} scrape{'s' * (at_once > 1)} a second, text, gzip", f"{cpu * 1e3:.1f}"])
    results.table("A second of the daemon with 250 pods", ["", "ms of CPU"], rows)
    results.save()
    busy.stop()
    daemon.stop()


if __name__ == "__main__":
    main()
