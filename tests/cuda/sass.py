#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Disassembles the kernels of a pipeline (pipelines.cu) for sm_90a and checks that they have the instructions for which
they were written: weights and keys in loads of 16 bytes, tensor cores in products, no local memory anywhere.

    sass.py [--nvcc nvcc] [--nvdisasm nvdisasm] [--include include] [--weights q4_0]

nvdisasm is part of the CUDA toolkit and of PyPI's nvidia-cuda-nvdisasm. If it is not found, the exit code is 77.
"""
import argparse
import collections
import pathlib
import re
import subprocess
import sys
import tempfile

from nvcc import ROOT, find, readable

# Kernels, by the beginning of their names, and the instructions that they must have.
MUST = {
    "tensor_tiles<": [r"HMMA", r"LDSM", r"LDGSTS.*\.128"],
    "coded_tiles<": [r"IMMA", r"LDSM", r"LDGSTS.*\.128"],
    "attention_tiles<": [r"HMMA", r"LDSM", r"LDG.*\.128"],
    "few_rows<": [r"HMMA", r"LDG.*\.128"],
    "coded_few_rows<": [r"IDP", r"LDG.*\.128"],
    "paged_rows<": [r"LDG.*\.128"],
}
ONLY_FOR_CODED = ("coded_",)  # formats without codes have no such kernels
DENSE = ("f32", "f16", "bf16")
LOCAL = r"(LDL|STL)"
SECTION = re.compile(r"\s*\.section\s+\.text\.(\S+?),")
INSTRUCTION = re.compile(r"\s*/\*[0-9a-f]+\*/\s+(?:@!?U?P\w+\s+)?([A-Z][A-Z0-9_.]*)")


def instructions_of(listing):
    """{kernel: Counter of instructions}"""
    found, kernel = {}, None
    for line in listing.splitlines():
        if start := SECTION.match(line):
            name = re.sub(r"^(\w+::)+", "", readable(start[1]))
            kernel = found.setdefault(name, collections.Counter())
        elif kernel is not None and (code := INSTRUCTION.match(line)):
            kernel[code[1]] += 1
    return found


def complaints(kernels, weights):
    found = []
    for name, code in kernels.items():
        needed = next((all_of for start, all_of in MUST.items() if name.startswith(start)), [])
        found += [f"{name}: no {op}" for op in needed if not any(re.match(op, c) for c in code)]
        found += [f"{name}: local memory: {op}" for op in code if re.match(LOCAL, op)]
    for start in MUST:
        is_absent = weights in DENSE and start.startswith(ONLY_FOR_CODED)
        if not is_absent and not any(name.startswith(start) for name in kernels):
            found.append(f"{weights}: no kernel {start}…>")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc")
    parser.add_argument("--nvdisasm")
    parser.add_argument("--include", action="append", default=[str(ROOT / "include")])
    parser.add_argument("--weights", default="q4_0",
                        help="of the text's linear layers; not f32, which has no tensor cores")
    args = parser.parse_args()
    args.nvcc, args.nvdisasm = find("nvcc", args.nvcc), find("nvdisasm", args.nvdisasm)
    with tempfile.TemporaryDirectory() as folder:
        cubin = pathlib.Path(folder) / "pipeline.cubin"
        subprocess.run([args.nvcc, "-std=c++20", "-arch=sm_90a", "-O2", *(f"-I{i}" for i in args.include),
                        f"-DWEIGHTS=llava::{args.weights}", "-cubin", "-o", cubin,
                        pathlib.Path(__file__).parent / "pipelines.cu"], check=True)
        listing = subprocess.run([args.nvdisasm, "-c", cubin], capture_output=True, text=True, check=True).stdout
    kernels = instructions_of(listing)
    found = complaints(kernels, args.weights)
    print("\n".join(found) if found else f"{args.weights}: {len(kernels)} kernels as they were meant")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
