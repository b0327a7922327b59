# SPDX-License-Identifier: Apache-2.0
"""Compiles kernels with nvcc, without a warning, for each architecture, and looks at what ptxas says of them.

    nvcc.py --nvcc nvcc --include include FILE.cu...     exits with 1 at a warning, a spill or a stack frame
    nvcc.py --nvcc nvcc --include include --self-test    checks that a kernel that spills is found

The programs are run too. On a machine without a device they must say so in one sentence.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

ARCHITECTURES = ["sm_80", "sm_90a"]
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
int main() { return launch<llava::cuda_backend::spilling>({}, {nullptr}).has_value() ? 1 : 0; }
"""
ENTRY = re.compile(r"Compiling entry function '(\S+)'")
FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
REGISTERS = re.compile(r"Used (\d+) registers")


def readable(name):
    """entry<KERNEL> of a mangled name: KERNEL."""
    done = subprocess.run(["c++filt", name], capture_output=True, text=True)
    text = re.sub(r"llava::abi_\w+::|cuda_backend::|device_code::", "", done.stdout.strip() or name)
    m = re.search(r"entry<(.*)>\(", text)
    return m[1] if m else text


def compile_file(args, source, architecture, program):
    """Returns (messages, {kernel: registers})."""
    command = [args.nvcc, "-std=c++20", f"-arch={architecture}", "-O2", "-Werror", "all-warnings", "-Xcompiler",
               "-Wall,-Wextra,-Werror", "-Xptxas", "-v", *(f"-I{i}" for i in args.include), str(source), "-o",
               str(program)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return [f"{source.name}: {architecture}:\n{done.stdout}{done.stderr}"], {}
    found, registers, kernel = [], {}, None
    for line in done.stderr.splitlines():
        if m := ENTRY.search(line):
            kernel = readable(m[1])
        elif (m := FRAME.search(line)) and any(int(n) for n in m.groups()):
            found.append(f"{source.name}: {architecture}: {kernel}: {m[0]}")
        elif m := REGISTERS.search(line):
            registers[kernel] = int(m[1])
    if not registers:
        found.append(f"{source.name}: {architecture}: ptxas named no kernel")
    return found, registers


def check(args, source, folder):
    found = []
    for architecture in ARCHITECTURES:
        program = folder / f"{source.stem}_{architecture}"
        messages, registers = compile_file(args, source, architecture, program)
        found += messages
        for kernel, count in registers.items():
            print(f"{architecture} {count:4d} registers  {kernel}")
        if messages:
            continue
        ran = subprocess.run([program], capture_output=True, text=True)
        if ran.returncode:
            found.append(f"{source.name}: {architecture}: the program failed: {ran.stdout}{ran.stderr}")
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("files", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if args.self_test:
            (folder / "spilling.cu").write_text(SPILLING.replace("launch<", "llava::cuda_backend::launch<"))
            messages, _ = compile_file(args, folder / "spilling.cu", ARCHITECTURES[0], folder / "spilling")
            if len(messages) != 1 or "spill" not in messages[0]:
                sys.exit(f"expected a spill, found {messages}")
            print("a spill is found")
            return
        found = [message for source in args.files for message in check(args, source, folder)]
    print("\n".join(found) if found else "no warning, no spill")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
