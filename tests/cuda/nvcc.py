# SPDX-License-Identifier: Apache-2.0
"""Compiles kernels with nvcc, without a warning, and looks at what ptxas says of them.

    nvcc.py FILE.cu...        for sm_90a; exits with 1 at a warning, a spill or a stack frame
    nvcc.py --needs cublasLt FILE.cu...
                              with this library of the toolkit; the exit code is 77 if the toolkit lacks it
    nvcc.py --all FILE.cu...  for sm_80, sm_90a, sm_100 and sm_120; on the last two it only prints what is spilled
    nvcc.py --budget registers.txt [--write]
                              compiles pipelines.cu for all of them, and holds its kernels for sm_90a against the limits
                              of the file; --write makes what is found the limits
    nvcc.py --self-test       checks that a kernel that spills is found, and one over its limit

The programs are run too. On a machine without a device they must say so in one sentence. If nvcc is not found, the exit
code is 77.
"""
import argparse
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
QUICK, ALL = ["sm_90a"], ["sm_80", "sm_90a", "sm_100", "sm_120"]
NO_SPILLS = ["sm_80", "sm_90a"]
WEIGHTS = ["bf16", "q4_0"]  # of the pipelines in the budget
SPILLING = """#include <llava/backend/cuda/kernel.cuh>
LLAVA_CUDA_BEGIN
struct spilling {
  static constexpr int threads = 1024, min_blocks = 2;  // 32 registers a thread
  struct Params { float* x; };
  using Smem = no_shared_memory;
  static grid_size grid(const Params&) { return {1}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    float x[64];
    LLAVA_UNROLL
    for (int i = 0; i < 64; ++i) x[i] = p.x[i * 1024 + thread_index()];
    sync_block();
    LLAVA_UNROLL
    for (int i = 0; i < 64; ++i) p.x[i * 1024 + thread_index()] = x[i] * x[63 - i];
  }
};
LLAVA_CUDA_END
int main() { return llava::cuda_backend::launch<llava::cuda_backend::spilling>({}, {nullptr}).has_value() ? 1 : 0; }
"""
ENTRY = re.compile(r"Compiling entry function '(\S+)' for '(\S+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")
HEAD = """# Limits of the registers and of the bytes in local memory (stack frame, spills) of each kernel, for sm_90a.
# nvcc.py --budget compiles pipelines.cu with weights in {} and fails if a kernel is above its limits, or
# is not listed. --write makes what it finds the limits. Another nvcc than this may use other registers:
# nvcc {}
"""


def find(name, given=None):
    """The path of a program of the CUDA toolkit. Ends this one if there is none."""
    homes = [os.environ.get(variable) for variable in ("CUDA_PATH", "CUDA_HOME")] + ["/usr/local/cuda"]
    for place in [given] if given else [name, *(f"{home}/bin/{name}" for home in homes if home)]:
        if path := shutil.which(place):
            return path
    if given:
        sys.exit(f"{given}: there is no such program")
    print(f"{name} was not found: install the CUDA toolkit, or name the program with --{name}")
    sys.exit(77)


def readable(name):
    """entry<KERNEL> of a mangled name: KERNEL."""
    done = subprocess.run(["c++filt", name], capture_output=True, text=True)
    text = re.sub(r"llava::abi_\w+::|cuda_backend::|device_code::", "", done.stdout.strip() or name)
    m = re.search(r"entry<(.*)>\(", text)
    return m[1].rstrip() if m else text


def compile_file(args, source, architectures, options):
    """Returns (messages, {architecture: {kernel: (registers, bytes in local memory)}}, seconds of processor time)."""
    targets = [f"-gencode=arch=compute_{a[3:]},code={a}" for a in architectures]
    command = [args.nvcc, "-std=c++20", *targets, "-O2", "-Werror", "all-warnings", "-Xcompiler",
               "-Wall,-Wextra,-Werror", "-Xptxas", "-v", *(f"-I{i}" for i in args.include), str(source), *options]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {architecture: {} for architecture in architectures}
    if done.returncode:
        return [f"{source.name}: {', '.join(architectures)}:\n{done.stdout}{done.stderr}"], found, seconds
    kernel, local = None, 0
    for line in done.stderr.splitlines():
        if m := ENTRY.search(line):
            kernel, architecture = readable(m[1]), m[2]
        elif m := FRAME.search(line):
            local = max(int(n) for n in m.groups())
        elif m := REGISTERS.search(line):
            found[architecture][kernel] = int(m[1]), local
    return [f"{source.name}: {a}: ptxas named no kernel" for a in architectures if not found[a]], found, seconds


def check_file(args, source, architectures, folder):
    program = folder / source.stem
    libraries = [f"-l{args.needs}"] if args.needs else []
    messages, found, _ = compile_file(args, source, architectures, [*libraries, "-o", str(program)])
    for architecture, kernels in found.items():
        for kernel, (registers, local) in kernels.items():
            print(f"{architecture} {registers:4d} registers, {local:2d} bytes in local memory  {kernel}")
            if local and architecture in NO_SPILLS:
                messages.append(f"{source.name}: {architecture}: {kernel}: {local} bytes in local memory")
    if not messages:
        ran = subprocess.run([program], capture_output=True, text=True)
        if ran.returncode:
            messages.append(f"{source.name}: the program failed: {ran.stdout}{ran.stderr}")
    return messages


def over_budget(found, limits):
    """found and limits are {kernel: (registers, bytes in local memory)}."""
    for kernel, used in sorted(found.items()):
        if kernel not in limits:
            yield f"{kernel}: {used[0]} registers, {used[1]} bytes in local memory, no limits"
        elif used[0] > limits[kernel][0] or used[1] > limits[kernel][1]:
            yield f"{kernel}: {used[0]} of {limits[kernel][0]} registers, {used[1]} of {limits[kernel][1]} bytes in " \
                  "local memory: OVER"
    yield from (f"{kernel}: has limits, but no pipeline has it" for kernel in sorted(limits.keys() - found.keys()))


def check_budget(args, folder):
    source, output = ROOT / "tests/cuda/pipelines.cu", ["-o", str(folder / "pipeline")]
    messages, kernels = [], {}
    for weights in WEIGHTS:
        said, found, _ = compile_file(args, source, ALL, [f"-DWEIGHTS=llava::{weights}", "-fatbin", *output])
        messages += said
        for kernel, used in found[QUICK[0]].items():
            kernels[kernel] = max(used, kernels.get(kernel, used))
    said, _, seconds = compile_file(args, source, QUICK, ["-DWEIGHTS=llava::bf16", "-DLLAVA_COMPILED", "-c", *output])
    print(f"a pipeline for {QUICK[0]}, with its host code, takes {seconds:.0f} s of processor time")
    messages += said
    if messages:
        return messages
    version = subprocess.run([args.nvcc, "--version"], capture_output=True, text=True).stdout
    version = re.search(r"release ([\d.]+)", version)[1]
    if args.write:
        lines = sorted(f"{registers:3d} {local:4d} {kernel}\n" for kernel, (registers, local) in kernels.items())
        args.budget.write_text(HEAD.format(" and ".join(WEIGHTS), version) + "".join(lines))
        return []
    text = args.budget.read_text()
    lines = [line.split(maxsplit=2) for line in text.splitlines() if line and not line.startswith("#")]
    is_other = f"# nvcc {version}\n" not in text
    if is_other:
        print(f"the limits are not those of nvcc {version}: only local memory is checked")
    limits = {kernel: (255 if is_other else int(registers), int(local)) for registers, local, kernel in lines}
    print(f"{len(kernels)} kernels")
    return list(over_budget(kernels, limits))


def test_itself(args, folder):
    (folder / "spilling.cu").write_text(SPILLING)
    messages = check_file(args, folder / "spilling.cu", QUICK, folder)
    if len(messages) != 1 or "local memory" not in messages[0]:
        sys.exit(f"expected a spill, found {messages}")
    limits = {"a": (40, 0)}
    for found, count in (({"a": (40, 0)}, 0), ({"a": (41, 0)}, 1), ({"a": (8, 4)}, 1), ({}, 1),
                         ({"a": (8, 0), "b": (8, 0)}, 1)):
        if len(list(over_budget(found, limits))) != count:
            sys.exit(f"expected {count} complaints about {found} with the limits {limits}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc")
    parser.add_argument("--include", action="append", default=[str(ROOT / "include")])
    parser.add_argument("--needs", metavar="LIBRARY")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--budget", type=pathlib.Path)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    args.nvcc = find("nvcc", args.nvcc)
    toolkit = pathlib.Path(args.nvcc).resolve().parents[1]
    if args.needs and not any(next(toolkit.glob(f"{place}include/{args.needs}.h"), None)
                              for place in ("", "targets/*/")):
        print(f"{toolkit} has no {args.needs}.h")
        sys.exit(77)
    messages = []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if args.self_test:
            test_itself(args, folder)
        for source in args.files:
            messages += check_file(args, source, ALL if args.all else QUICK, folder)
        if args.budget:
            messages += check_budget(args, folder)
    print("\n".join(messages) or "ok")
    sys.exit(bool(messages))


if __name__ == "__main__":
    main()
