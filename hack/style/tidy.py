#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs clang-tidy on every translation unit of a build that has changed since it last passed.
Run by hack/check-style tidy. What has passed is remembered in ~/.cache/podrtt/tidy, by the contents of
all files that it is made of."""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIDY = "clang-tidy-19"
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "podrtt/tidy"
FOLDERS = ("bpf", "cni-plugin", "node-daemon", "unit-tests", "e2e")


def dependencies(build):
    """Our own files that each object is made of, as the compiler has noted them."""
    found, own = {}, []
    for line in subprocess.run(["ninja", "-C", build, "-t", "deps"], capture_output=True, text=True,
                               check=True).stdout.splitlines():
        if head := re.match(r"(\S+): #deps", line):
            own = found.setdefault(head.group(1), [])
        elif line.strip():
            path = (build / line.strip()).resolve()
            if ROOT in path.parents:
                own.append(path)
    return found


def digest(command, files):
    state = hashlib.sha256()
    state.update(subprocess.run([TIDY, "--version"], capture_output=True, check=True).stdout)
    for rules in (".clang-tidy", "unit-tests/.clang-tidy"):
        state.update((ROOT / rules).read_bytes())
    state.update(" ".join(command).replace(str(ROOT), "").encode())
    for path in sorted(set(files)):
        state.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return state.hexdigest()


def check(build, path):
    return subprocess.run([TIDY, "--quiet", "-p", build, path], capture_output=True, text=True, check=False)


def main():
    build = ROOT / "build" / sys.argv[1]
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))  # so that tests may measure meanwhile
    CACHE.mkdir(parents=True, exist_ok=True)
    made_of = dependencies(build)
    changed = {}
    for unit in json.loads((build / "compile_commands.json").read_text(encoding="utf-8")):
        path = pathlib.Path(unit["file"])
        if build in path.parents or path.parts[len(ROOT.parts)] not in FOLDERS:
            continue
        command = shlex.split(unit["command"])
        stamp = CACHE / digest(command, [path, *made_of.get(command[command.index("-o") + 1], [])])
        if not stamp.exists():
            changed[path] = stamp
    print(f"{len(changed)} translation units have changed", flush=True)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(check, build, path): path for path in changed}
        for number, done in enumerate(concurrent.futures.as_completed(running), 1):
            path, result = running[done], done.result()
            print(f"[{number}/{len(changed)}] {path.relative_to(ROOT)}", flush=True)
            if result.returncode == 0:
                changed[path].touch()
            else:
                failed += 1
                print(result.stdout + result.stderr, flush=True)
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
