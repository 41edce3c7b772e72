# SPDX-License-Identifier: Apache-2.0
"""Writes docs/performance.md and its pictures from what was measured last (build/bench). Run by hack/bench page."""

import json
import re

import matplotlib
from node import ROOT
from results import FOLDER

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "podrtt", "font.family": "sans-serif", "font.size": 10,
                            "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.alpha": 0.3,
                            "legend.frameon": False})
from matplotlib import pyplot  # pylint: disable=wrong-import-position

PAGE = ROOT / "docs/performance.md"
IMAGES = ROOT / "docs/images"

# In the order of the page: the heading, and what a reader should know before the figures.
SECTIONS = {
    "datapath": ("A packet", "The kernel's own count of time (`kernel.bpf_stats_enabled`) of programs that take turns on one veth, on the same "
                 "connections; the empty program's time, which is mostly the clock's, is taken off. `parse` reads the headers, `lookup` also finds the "
                 "connection in the kernel's hash: the least that anything does that knows connections. `podrtt` is the whole program. Somebody else's "
                 "programs: pin two in a folder of a bpffs, as `ingress` and `egress`, and name them with `--program NAME=DIR`."),
    "throughput": ("Throughput", "iperf3 from a pod to a peer by two veths, each end with a CPU of its own that does nothing else. What a packet costs "
                   "comes off both ends' time here, so this is the worst case: no wire, no NIC, no other work."),
    "latency": ("Round trips of an application", "One connection, requests at a constant rate. Each is timed from when it was due, not from when it was "
                "sent, so that one stall counts for every request that it delays."),
    "connections": ("Connections", "A request each, 50 at a time; client and server have a CPU each."),
    "growth": ("Growth", "What the same program costs with more connections, with more SYNs and with fewer samples."),
    "cni": ("A pod's creation", "Wall time of the plugin as a runtime calls it, beside plugins of containernetworking."),
    "scrape": ("A scrape", "CPU of the daemon by the kernel's count. Each pod has had one of all that is measured by default, on both legs, with a peer in "
               "a private network and one in the internet: the most series that a pod can have."),
    "memory": ("Memory", "Resident: as `process_resident_memory_bytes` has it, without the table of histograms, which is among the BPF maps. Most of it is "
               "files of shared libraries, which the kernel can drop and other processes share."),
    "accuracy": ("Accuracy", "The error of each measure against somebody else's clock: a delay line that logs when each frame came and went, and the "
                 "application, which logs how long it waited."),
    "repair": ("Repair", "How soon the daemon attaches again when somebody has removed the qdisc with its filters. When that happens again and again to "
               "one pod it backs off."),
}

READING = """# Performance

Made by `hack/bench` (about an hour, on a machine that does nothing else); `hack/bench NAME` measures one part, `hack/bench page` writes this page anew. Each part says when,
where and of which commit it was measured (`+`: with changes).

How to read it: these are figures of a small virtual machine, on which everything moves from minute to minute by a tenth, and now and then by a half. So
all that is compared takes turns within seconds, what is shown is the median of many turns with its quartiles, and ratios mean more than nanoseconds.
"""

NOT_MEASURED = """## Not measured

- A NIC, a wire, or more than two CPUs: how programs of many CPUs that use one connection table get on is tested for being right, not for speed.
- arm64: the programs load and are right there; no machine to measure was at hand.
- How long the RTNL lock is held, where the kernel does not let programs trace (the column says so).
- Any other tool in the same run: none is installed here. `--program` is for those who have one.
- What cannot be reached so far: short connections at 1.2 times the look-up (what a connection of one request pays for is its place
  in the table and the times that it has: two handshakes, a connect, round trips and a response); p99 at a constant rate within 1 % (the quartiles above are wider than that); 12 MiB for the daemon (files of
  libraries alone are 11); 25 ms for a scrape of 250 pods with all that they can have (by perf, writing labels and numbers is the most of it as text, reading 13 MiB of
  histograms and putting them together by names as native ones).
"""


def load():
    return {name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
            for name in SECTIONS if (FOLDER / f"{name}.json").exists()}


def table(part):
    columns = part["columns"]
    lines = [f"| {' | '.join(columns)} |", "|---|" + "---:|" * (len(columns) - 1)]
    lines += [f"| {' | '.join(row)} |" for row in part["rows"]]
    return f"**{part['table']}**\n\n" + "\n".join(lines) + (f"\n\n{part['note']}" if part["note"] else "")


def save(figure, title, name):
    path = IMAGES / f"performance-{name}-{re.sub('[^a-z]+', '-', title.lower()).strip('-')}.svg"
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    path.write_text(re.sub(r" +$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE), encoding="utf-8")
    return f"![{title}]({path.relative_to(PAGE.parent)})"


def plot(part, name):
    figure, axes = pyplot.subplots(figsize=(7, 3.2))
    for line, points in part["lines"].items():
        axes.plot(*zip(*points), marker="o", markersize=4, label=line)
    if "x" in part["log"]:
        axes.set_xscale("log")
    axes.set(xlabel=part["x"], ylabel=part["y"], title=part["plot"])
    axes.set_ylim(bottom=0)
    axes.legend()
    return save(figure, part["plot"], name)


def bars(part, name):
    figure, axes = pyplot.subplots(figsize=(7, 4))
    width = 0.8 / len(part["heights"])
    for index, (label, heights) in enumerate(part["heights"].items()):
        axes.barh([place + index * width for place in range(len(heights))], heights, width, label=label)
    axes.set_yticks([place + 0.4 - width / 2 for place in range(len(part["categories"]))], part["categories"])
    axes.invert_yaxis()
    axes.set(xlabel=part["y"], title=part["bars"])
    axes.legend()
    return save(figure, part["bars"], name)


def section(name, kept):
    heading, about = SECTIONS[name]
    parts = [f"## {heading}", f"{about}\n\n`{kept['command']}`, {kept['date']}, {kept['commit']}: {kept['machine']}, Linux {kept['kernel']}."]
    for part in kept["parts"]:
        parts.append(table(part) if "table" in part else plot(part, name) if "plot" in part else bars(part, name))
    return "\n\n".join(parts)


def estimates(kept):
    """Not measured: reckoned with what was."""
    packet, scrape = kept["datapath"]["figures"], kept["scrape"]["figures"]
    cores = {name: 10e6 * packet[name] * 1e-9 for name in ("bulk, GSO", "bulk, MTU-size", "200 request-response flows")}
    rows = [f"| 10 million packets a second, {name} | {need:.2f} cores, {need / 64 * 100:.1f} % of 64 |" for name, need in cores.items()]
    node = scrape["series of 30 pods"]
    samples = node * 2 * 60 * 24 * 30  # a month, each 30 s
    rows += [
        f"| scrapes of 250 pods, each 30 s | {scrape['scrape'] / 30 / 1000 * 100:.2f} % of a core |",
        f"| series of a node of 30 pods that do all that is measured | {node:,} |",
        f"| of 5,000 such nodes, in Prometheus | {node * 5000 / 1e6:.0f} million series, {node * 5000 / 30 / 1e6:.1f} million samples a second, "
        f"{samples * 5000 * 1.5 / 30 / 1e12:.1f} TB a day at 1.5 bytes a sample |",
        f"| in Azure Monitor, at 0.16 $ for 10 million samples | {samples / 1e7 * 0.16:,.0f} $ a month and node; {samples / 1e7 * 0.16 * 5000:,.0f} $ for 5,000 |",
        f"| series of the same node with `--level namespace`, of five namespaces | {scrape['series of a namespace'] * 5:,.0f} |",
    ]
    return ("## Estimates\n\nReckoned, not measured: with the figures above for a node of 64 cores that has 250 pods and for a cluster of 5,000 nodes. Most pods do "
            "not do all that is measured, on both legs, with two classes of peers; then there are fewer series.\n\n| | |\n|---|---|\n" + "\n".join(rows))


def main():
    kept = load()
    missing = set(SECTIONS) - set(kept)
    if missing:
        raise SystemExit(f"hack/bench page: not measured yet: {', '.join(sorted(missing))}; run hack/bench NAME of each")
    for old in IMAGES.glob("performance-*.svg"):
        old.unlink()
    parts = [READING.rstrip(), *(section(name, kept[name]) for name in SECTIONS), estimates(kept), NOT_MEASURED.rstrip()]
    PAGE.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    print(f"wrote {PAGE.relative_to(ROOT)} and {len(list(IMAGES.glob('performance-*.svg')))} pictures")


if __name__ == "__main__":
    main()
