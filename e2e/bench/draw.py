# SPDX-License-Identifier: Apache-2.0
"""Draws the dashboards from their own queries on some minutes of real traffic: pods of three workloads, one of which talks
over a line that loses packets for a while. Not by Grafana, and the pictures say so. Run by hack/draw-dashboards,
inside e2e/rig/isolate."""

import argparse
import re
import subprocess
import time

import matplotlib
import node
from dashboards import DASHBOARDS, filled_in, write_config
from node import ROOT, TRAFFIC, Chain, Daemon, Peer, Pod, in_netns, run, serve, serve_names
from prometheus import Prometheus, ask

matplotlib.use("agg")
matplotlib.rcParams.update({"font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True,
                            "grid.alpha": 0.3, "legend.frameon": False, "axes.titlesize": 9, "axes.titleweight": "bold"})
from matplotlib import pyplot  # pylint: disable=wrong-import-position

IMAGES = ROOT / "docs/images"
PODS = [("shop", "web-7d4f-k2x9p", "web"), ("shop", "web-7d4f-m8c4q", "web"), ("shop", "cart-5b6c-x7wzt", "cart"),
        ("data", "redis-0", "redis")]
VALUES = {"$__rate_interval": "10s", "$pod": PODS[0][1]}
COLUMNS, ROWS = 24, 46  # of Grafana's grid; what is further down is not drawn
STEP = 2
UNITS = {"short": "", "cps": "/s", "pps": " packets/s", "percentunit": ""}


class Traffic:
    """Of each pod, until the end: requests, short connections, names and pings, to a near peer and a far one."""

    def __init__(self):
        self.near, self.far = Peer("near", 200), Peer("far", 203)
        self.near.connect()
        self.far.connect_by_delay_line(8000, "/run/line.log", jitter_us=2000, loss_permille=15)
        for peer in (self.near, self.far):
            serve(in_netns(peer.name), 8080)
            serve_names(in_netns(peer.name))
        self.pods = [Pod(Chain(), namespace, name).create() for namespace, name, _ in PODS]
        for pod in self.pods:
            serve(in_netns(pod.netns), 8080)
            serve_names(in_netns(pod.netns))
        self.loops = []

    def start(self):
        ask_of = f"timeout 5 {' '.join(map(str, TRAFFIC))}"  # packets are lost
        for number, pod in enumerate(self.pods):
            peers = [self.near.v4, self.far.v4] if number % 2 == 0 else [self.near.v4]
            work = "; ".join(f"{ask_of} requests {peer} 8080 5 20; {ask_of} resolve {peer} {'slow' if number == 2 else 'www'} 3; "
                             f"{ask_of} ping {peer} 2" for peer in peers)
            self.loops.append(pod.popen("sh", "-c", f"while :; do {work}; sleep 0.5; done", stdout=subprocess.DEVNULL))
            come = f"{ask_of} requests {pod.v4} 8080 3 20; {ask_of} resolve {pod.v4} www 2; {ask_of} ping {pod.v4} 2"
            self.loops.append(subprocess.Popen(in_netns(self.near.name, "sh", "-c", f"while :; do {come}; sleep 0.7; done"),
                                               stdout=subprocess.DEVNULL))


def name_of(series, legend):
    if legend != "__auto":
        return re.sub(r"{{(\w+)}}", lambda found: series["metric"].get(found[1], ""), legend)
    return ", ".join(f"{name}={value}" for name, value in series["metric"].items() if name != "__name__") or "value"


def number_in(unit, value):
    """In words, as Grafana has it."""
    if unit == "s":
        scale, name = next((pair for pair in ((1, "s"), (1e-3, "ms"), (1e-6, "µs")) if value >= pair[0]), (1e-6, "µs"))
        return f"{value / scale:.3g} {name}"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "percentunit":
        return f"{value * 100:.3g} %"
    return f"{value:{',.0f' if value >= 100 else '.3g'}}{UNITS.get(unit, '')}"


def over_time(panel, begin, end):
    """Lines by name: times and values."""
    lines = {}
    for target in panel["targets"]:
        for series in ask("query_range", query=filled_in(target["expr"], VALUES), start=begin, end=end, step=STEP)["result"]:
            values = [(float(when) - begin, float(value)) for when, value in series.get("values", []) if value != "NaN"]
            if values:
                lines.setdefault(name_of(series, target["legendFormat"]), values)
    return lines


def draw_graph(axes, panel, begin, end):
    lines = over_time(panel, begin, end)
    # What never happened would only fill the legend.
    for name, values in {name: values for name, values in lines.items() if any(value for _, value in values)}.items():
        axes.plot(*zip(*values), linewidth=1, label=name)
    unit = panel["fieldConfig"]["defaults"]["unit"]
    if panel["fieldConfig"]["defaults"]["custom"].get("scaleDistribution", {}).get("type") == "log":
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        if high < 300 * low:
            axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(lambda value, _: number_in(unit, value) if value > 0 else "0")
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    axes.set_xlim(0, end - begin)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, ncol=6, loc="lower right", bbox_to_anchor=(1, 0.98), borderaxespad=0)


def draw_heat(axes, panel, begin, end):
    lines = over_time(panel | {"targets": panel["targets"][1:]}, begin, end)  # the classic half
    bounds = sorted(lines, key=float)
    cells, below = [], {}
    for bound in bounds:
        now = dict(lines[bound])
        cells.append([max(0.0, now.get(when, 0) - below.get(when, 0)) for when in range(0, int(end - begin), STEP)])
        below = now
    if cells:
        axes.pcolormesh(range(0, int(end - begin), STEP), range(len(bounds)), cells, cmap="viridis", shading="nearest")
        axes.set_yticks(range(0, len(bounds), 3), [number_in("s", float(bound)) if bound != "+Inf" else bound for bound in bounds[::3]])
    axes.grid(False)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0f} s")


def draw_stat(axes, panel):
    found = [series for target in panel["targets"] for series in ask("query", query=filled_in(target["expr"], VALUES))["result"]]
    legend = panel["targets"][0]["legendFormat"]
    text = name_of(found[0], legend) if found and legend != "__auto" else "" if not found else number_in(
        panel["fieldConfig"]["defaults"]["unit"], float(found[0]["value"][1]))
    axes.axis("off")
    axes.text(0.5, 0.4, text, ha="center", va="center", fontsize=15, color="#2a7d3f", transform=axes.transAxes)


DRAW = {"timeseries": draw_graph, "heatmap": draw_heat}


def draw(name, begin, end):
    dashboard = DASHBOARDS[name]
    shown = [panel for panel in dashboard["panels"] if panel["gridPos"]["y"] + panel["gridPos"]["h"] <= ROWS and panel["type"] != "table"]
    rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in shown)
    figure = pyplot.figure(figsize=(14, rows * 0.34))
    for panel in shown:
        place = panel["gridPos"]
        box = [place["x"] / COLUMNS, 1 - (place["y"] + place["h"]) / (rows + 2) - 0.02, place["w"] / COLUMNS, place["h"] / (rows + 2)]
        if panel["type"] == "row":
            figure.text(0.01, box[1] + box[3] / 3, panel["title"], fontsize=11, fontweight="bold", color="#555555")
            continue
        inner = [box[0] + 0.045, box[1] + 1.4 / (rows + 2), box[2] - 0.06, box[3] - 2.9 / (rows + 2)]
        axes = figure.add_axes(inner)
        axes.set_title(panel["title"], loc="left")
        if panel["type"] == "stat":
            draw_stat(axes, panel)
        else:
            DRAW[panel["type"]](axes, panel, begin, end)
    figure.text(0.01, 0.992, f"{dashboard['title']} (drawn from the dashboard's queries by matplotlib, not by Grafana)", fontsize=11, va="top")
    figure.savefig(IMAGES / f"dashboard-{name}.png", dpi=75, metadata={"Software": None})
    pyplot.close(figure)
    print(f"==> docs/images/dashboard-{name}.png", flush=True)


def main():
    parser = argparse.ArgumentParser(prog="hack/draw-dashboards", description=__doc__)
    parser.add_argument("--seconds", type=int, default=150, help="of traffic")
    options = parser.parse_args()
    node.prepare()
    run("sysctl", "-qw", "kernel.bpf_stats_enabled=1")
    daemon = Daemon("--log-level", "error", "--icmp")
    traffic = Traffic()
    traffic.start()
    time.sleep(2)  # so that there is something to scrape
    with Prometheus(config=write_config(PODS)):
        print(f"==> traffic for {options.seconds} s", flush=True)
        time.sleep(options.seconds)
        end = time.time()
        for name in DASHBOARDS:
            draw(name, end - options.seconds + 15, end)
    daemon.stop()
    run("sysctl", "-qw", "kernel.bpf_stats_enabled=0")


if __name__ == "__main__":
    main()
