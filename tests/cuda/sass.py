#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disassembles the kernels of the CUDA backend and checks that they have the instructions that they were written for:
loads of 16 bytes where weights are streamed, tensor cores in products, and no local memory anywhere.

    sass.py [--weights q4_0,bf16]

It needs nvdisasm, which is part of the CUDA toolkit and of PyPI's nvidia-cuda-nvdisasm. NVDISASM is its path.
"""
import argparse
import collections
import re
import subprocess
import sys
import tempfile

from compiled import WEIGHTS, compile_pipeline, demangled, find

# Kernels by name: the instructions that they must have.
MUST = []
NEVER = ("LDL", "STL")  # local memory
INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")


def instructions_of(listing):
    """{mangled name: Counter of opcodes with their suffixes}"""
    found, kernel = {}, None
    for line in listing.splitlines():
        if start := re.match(r"\s*\.section\s+\.text\.(\S+?),", line):
            kernel = found.setdefault(start.group(1), collections.Counter())
        elif kernel is not None and (code := INSTRUCTION.match(line)):
            kernel[code.group(1)] += 1
    return found


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--weights", default=",".join(WEIGHTS))
    args = options.parse_args()
    nvdisasm = find("nvdisasm", "NVDISASM", ["/usr/local/cuda/bin"])
    if not nvdisasm:
        print("skipped: nvdisasm was not found; set NVDISASM to its path")
        return
    kernels = {}
    with tempfile.TemporaryDirectory() as folder:
        for weights in args.weights.split(","):
            compile_pipeline(weights, "sm_90a", f"{folder}/pipeline.cubin", "-cubin")
            listing = subprocess.run([nvdisasm, "-c", f"{folder}/pipeline.cubin"], capture_output=True, text=True,
                                     check=True).stdout
            found = instructions_of(listing)
            names = demangled(list(found))
            kernels |= {names[mangled]: code for mangled, code in found.items()}
    complaints = []
    for name, code in sorted(kernels.items()):
        loads = {op: n for op, n in code.items() if re.match(r"(LDG|LDGSTS|LDSM|HMMA|IMMA|STG|LDL|STL)\b", op)}
        print(f"{name}: {sum(code.values())} instructions; {loads}")
        complaints += [f"{name}: uses local memory ({op})" for op in code if op.split(".")[0] in NEVER]
        for pattern, *needed in MUST:
            if re.search(pattern, name):
                complaints += [f"{name}: no {op}" for op in needed if not any(re.match(op, c) for c in code)]
    for pattern, *_ in MUST:
        if not any(re.search(pattern, name) for name in kernels):
            complaints.append(f"no kernel is called {pattern}")
    for line in complaints:
        print(line)
    sys.exit(1 if complaints or not kernels else 0)


if __name__ == "__main__":
    main()
