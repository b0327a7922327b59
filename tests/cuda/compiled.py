#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The kernels of the CUDA backend as nvcc compiles them, for the scripts of this folder."""
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"
WEIGHTS = ["f32", "f16", "bf16", "q8_0", "q4_0", "q4_i8", "nf4", "int8"]


def find(program, variable, folders=()):
    """The path of a program: from the environment, PATH, or a folder; None if it is not there."""
    found = os.environ.get(variable) or shutil.which(program)
    for folder in folders:
        found = found or shutil.which(program, path=folder)
    return found


def nvcc():
    found = find("nvcc", "NVCC", ["/usr/local/cuda/bin"])
    if not found:
        print("skipped: nvcc was not found; set NVCC to its path")
        sys.exit(0)
    return found


def compile_pipeline(weights, target, output, *flags):
    """Compiles tests/cuda/pipelines.cu. Returns the compiler's messages and its CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([nvcc(), "-std=c++20", "-O2", f"-arch={target}", f"-I{INCLUDE}", "--Werror=all-warnings",
                           "-Xcompiler=-Wall,-Wextra", "-Xptxas=-v", f"-DWEIGHTS=llava::{weights}", *flags,
                           "-o", str(output), str(HERE / "pipelines.cu")], capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if done.returncode:
        sys.exit(f"{weights} for {target}: nvcc failed:\n{done.stderr[-6000:]}")
    return done.stderr + done.stdout, seconds


def demangled(names):
    """The kernels' names without namespaces, return type and parameters: entry<K> is K."""
    text = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True).stdout
    return {mangled: short_name(name) for mangled, name in zip(names, text.splitlines())}


def short_name(name):
    name = re.sub(r"\b(\w+::)+", "", name.replace("(anonymous namespace)::", ""))
    found = re.search(r"\bentry<(.*)>\((?:\w+<.*>::)?Params\)?", name) or re.search(r"\bentry<(.*)>\(", name)
    return found.group(1).strip() if found else name
