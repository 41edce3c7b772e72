#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails if a folder includes what is not below it. Run by hack/check-style layers."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]

# What user space and programs share.
CONTRACT = {"bpf/podrtt.h", "bpf/flow.h", "bpf/histogram_math.h"}

# Each folder's own files, and the folders that it may include. A folder that is missing here is an error.
BELOW = {
    "bpf": set(),
    "bpf/user": set(),
    "bpf/user/attach": {"bpf/user"},
    "cni-plugin": {"bpf/user", "bpf/user/attach"},
    "node-daemon/counts": {"bpf/user", "bpf/user/attach"},
}
BELOW["node-daemon/pods"] = BELOW["node-daemon/counts"] | {"node-daemon/counts"}
BELOW["node-daemon/install"] = BELOW["node-daemon/pods"] | {"node-daemon/pods"}
BELOW["node-daemon/export"] = BELOW["node-daemon/counts"] | {"node-daemon/counts"}
BELOW["node-daemon/views"] = BELOW["node-daemon/export"] | BELOW["node-daemon/install"] | {
    "node-daemon/export", "node-daemon/install"}
BELOW["node-daemon/web"] = BELOW["node-daemon/views"] | {"node-daemon/views"}
BELOW["node-daemon"] = BELOW["node-daemon/web"] | {"node-daemon/web"}

GENERATED = re.compile(r".*\.skel\.h|export/metrics\.pb\.h|page/files\.h")


def is_allowed(folder, included):
    if GENERATED.fullmatch(included):
        return True
    place = included.rpartition("/")[0]
    return place == folder or place in BELOW[folder] or (included in CONTRACT and folder != "bpf")


def main():
    wrong = []
    for top in ("bpf", "cni-plugin", "node-daemon"):
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix not in (".c", ".cpp", ".h"):
                continue
            name = str(path.relative_to(ROOT))
            folder = name.rpartition("/")[0]
            if folder not in BELOW:
                wrong.append(f"{name}: hack/style/layers.py does not know the folder {folder}")
                continue
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                found = re.match(r'#include "(.*)"', line)
                if found and not is_allowed(folder, found.group(1)):
                    wrong.append(f"{name}:{number}: {folder} must not include {found.group(1)}")
    print("\n".join(wrong), end="\n" if wrong else "")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
