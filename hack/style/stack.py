# SPDX-License-Identifier: Apache-2.0
"""Fails if the BPF programs would need more stack than kernels before Linux 6.10 give: 512 bytes for all functions
of a chain of calls together, each rounded up to 32 (check_max_stack_depth() in kernel/bpf/verifier.c). Later
kernels round up to 16 or less, so that no test here would notice."""

import functools
import pathlib
import re
import subprocess
import sys

LIMIT, ROUNDED, INSTRUCTION = 512, 32, 8
OBJECT = pathlib.Path("build", sys.argv[1], "bpf/podrtt.bpf.o")


def disassemble():
    """By function: the bytes of stack that it uses, and what it calls, by name or by its place in .text."""
    text = subprocess.run(["llvm-objdump-19", "--disassemble", "--reloc", "--no-show-raw-insn", OBJECT], capture_output=True, text=True,
                          check=True).stdout
    stack, calls, places, programs = {}, {}, {}, []
    section = function = call = None
    for line in text.splitlines():
        if match := re.match(r"Disassembly of section (.+):", line):
            section = match[1]
        elif match := re.match(r"([0-9a-f]+) <(.+)>:", line):
            if match[2].startswith("LBB"):
                continue
            function = match[2]
            stack[function], calls[function] = 0, []
            if section == ".text":
                places[int(match[1], 16)] = function
            else:
                programs.append(function)
        elif match := re.search(r"R_BPF_64_32\s+(\S+)", line):
            calls[function][-1] = (call + 1) * INSTRUCTION if match[1] == ".text" else match[1]
        elif match := re.match(r"\s*(\d+):\s+call (-?(?:0x)?[0-9a-f]+)$", line):
            call = int(match[2], 0)
            calls[function].append((int(match[1]) + call + 1) * INSTRUCTION if section == ".text" else None)
        for match in re.finditer(r"r10 - (0x[0-9a-f]+)|r\d+ \+= -(0x[0-9a-f]+)", line):
            used = int(match[1] or match[2], 0)
            if used <= LIMIT:
                stack[function] = max(stack[function], used)
    return stack, {name: [places.get(each, each) for each in called] for name, called in calls.items()}, programs


def main():
    stack, calls, programs = disassemble()

    @functools.cache
    def deepest(function):
        chains = [deepest(called) for called in calls[function] if called in stack]
        depth, chain = max(chains, default=(0, ()))
        return -(-max(stack[function], 1) // ROUNDED) * ROUNDED + depth, (f"{function} {stack[function]}", *chain)

    depth, chain = max(deepest(program) for program in programs)
    print(f"{depth} bytes of {LIMIT}: {' > '.join(chain)}")
    return depth > LIMIT or len(chain) < 2


if __name__ == "__main__":
    sys.exit(main())
