#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compiles pipelines of the CUDA backend with nvcc, without a GPU, and checks that nvcc has no warning, that no kernel
spills registers or has a stack frame, that it uses at most the registers of registers.json, and that a pipeline
compiles within 90 s of CPU time.

    registers.py            checks sm_90a
    registers.py --write    writes registers.json
    registers.py --targets sm_80,sm_100,sm_120   only that these compile without a warning
"""
import argparse
import json
import re
import tempfile

from compiled import HERE, WEIGHTS, compile_pipeline, demangled

TARGET, SECONDS = "sm_90a", 90
BUDGET = HERE / "registers.json"
KERNEL = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'\n(?:.*\n)*?\s+(\d+) bytes stack frame, "
                    r"(\d+) bytes spill stores, (\d+) bytes spill loads\n.*?Used (\d+) registers")


def kernels_of(messages):
    """{name: (registers, bytes of stack and spills)}"""
    found = KERNEL.findall(messages)
    names = demangled([mangled for mangled, *_ in found])
    return {names[mangled]: (int(registers), int(stack) + int(stores) + int(loads))
            for mangled, _, stack, stores, loads, registers in found}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--write", action="store_true")
    options.add_argument("--targets", default="")
    options.add_argument("--weights", default=",".join(WEIGHTS))
    args = options.parse_args()
    complaints, all_kernels = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for weights in args.weights.split(","):
            for target in args.targets.split(",") if args.targets else [TARGET]:
                messages, seconds = compile_pipeline(weights, target, f"{folder}/pipeline.o", "-c")
                kernels = kernels_of(messages)
                print(f"{weights} for {target}: {seconds:.0f} s, {len(kernels)} kernels")
                if target != TARGET:
                    continue
                if seconds > SECONDS:
                    complaints.append(f"{weights}: compiled in {seconds:.0f} s, expected at most {SECONDS}")
                all_kernels |= kernels
    if args.targets:
        return
    budget = {} if args.write else json.loads(BUDGET.read_text())
    for name, (registers, spilled) in sorted(all_kernels.items()):
        if spilled:
            complaints.append(f"{name}: {spilled} bytes of stack and spills, expected none")
        if not args.write and registers > budget.get(name, 0):
            complaints.append(f"{name}: {registers} registers, expected at most {budget.get(name, 'none: not listed')}")
    if not all_kernels:
        complaints.append("no kernel was compiled")
    if args.write:
        BUDGET.write_text(json.dumps({name: registers for name, (registers, _) in sorted(all_kernels.items())},
                                     indent=1) + "\n")
    for line in complaints:
        print(line)
    raise SystemExit(1 if complaints else 0)


if __name__ == "__main__":
    main()
