# SPDX-License-Identifier: Apache-2.0
"""What a benchmark finds: tables and plots. They are printed as they come, and kept in build/bench, from
where page.py makes docs/performance.md."""

import datetime
import json
import math
import os
import pathlib
import platform
import re
import shlex
import statistics
import sys

from node import ROOT, run

FOLDER = ROOT / "build/bench"


def machine():
    processors = re.findall(r"^model name\s*: (.*)$", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return f"{len(processors)} CPUs ({processors[0] if processors else platform.machine()}), {memory / 2**30:.0f} GiB"


def commit():
    changed = run("git", "-c", "safe.directory=*", "-C", ROOT, "status", "--porcelain", "--untracked-files=no", "--", "bpf",
                  "cni-plugin", "node-daemon")
    return run("git", "-c", "safe.directory=*", "-C", ROOT, "rev-parse", "--short=12", "HEAD").strip() + ("+" if changed else "")


def spread(values, form=".3f"):
    """The median, and the quartiles in brackets."""
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else (*values, *values, *values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def growth(points):
    """The exponent of y ~ x^n that fits best."""
    return statistics.linear_regression([math.log(x) for x, _ in points], [math.log(y) for _, y in points]).slope


class Results:
    def __init__(self, name):
        self.kept = {"name": name, "command": f"hack/bench {name} {shlex.join(sys.argv[1:])}".rstrip(),
                     "date": datetime.date.today().isoformat(), "machine": machine(),
                     "kernel": platform.release(), "commit": commit(), "parts": []}

    def table(self, title, columns, rows, note=""):
        """The first column is text, the others are figures or text."""
        texts = [[cell if isinstance(cell, str) else f"{cell:,}" for cell in row] for row in rows]
        widths = [max(len(cell) for cell in column) for column in zip(columns, *texts)]
        print(f"\n{title}\n")
        for row in (columns, *texts):
            print("  " + "  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                   for i, (cell, width) in enumerate(zip(row, widths))))
        if note:
            print(f"\n  {note}")
        sys.stdout.flush()
        self.kept["parts"].append({"table": title, "columns": columns, "rows": texts, "note": note})

    def plot(self, title, x, y, lines, log=""):
        """Lines by name, each a list of points; `log` names the axes that are logarithmic."""
        self.kept["parts"].append({"plot": title, "x": x, "y": y, "lines": lines, "log": log})

    def bars(self, title, y, categories, heights):
        """Beside each other in each category: heights by name, in the order of the categories."""
        self.kept["parts"].append({"bars": title, "y": y, "categories": categories, "heights": heights})

    def figure(self, name, value):
        """One that the page reckons with."""
        self.kept.setdefault("figures", {})[name] = value

    def save(self):
        FOLDER.mkdir(parents=True, exist_ok=True)
        (FOLDER / f"{self.kept['name']}.json").write_text(json.dumps(self.kept, indent=1), encoding="utf-8")
