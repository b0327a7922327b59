# SPDX-License-Identifier: Apache-2.0
"""Checks compile times and compiler memory against the limits in budget.txt.

    budget.py [--compiler g++] [WHAT...]

Prints one line for each entry whose name contains one of the words, and exits with 1 if one exceeds its limit. Times
are processor time (user + system), so that a busy machine does not fail them. They are ratios to the time of a
translation unit with three standard headers, which is measured before and after each entry.
"""
import argparse
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
REFERENCE = "#include <memory>\n#include <string>\n#include <vector>\n"
PIPELINE = {"NAME": "budget", "MODEL": "llava::any", "BACKEND": "llava::simd", "WEIGHTS": "llava::f16",
            "INCLUDE_HEADER": ""}


def measure(command):
    """Returns (processor seconds, peak MiB) of a command; its largest process, the compiler proper, has the peak."""
    with tempfile.TemporaryFile() as err:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=err)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            err.seek(0)
            sys.exit(f"budget: command failed: {shlex.join(command)}\n{err.read().decode('utf-8', 'replace')}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure_reference(compiler, folder):
    source = folder / "reference.cpp"
    source.write_text(REFERENCE)
    return statistics.median(measure([compiler, "-std=c++20", "-fsyntax-only", str(source)])[0] for _ in range(5))


def measure_entry(words, compiler, folder):
    common = [compiler, "-std=c++20", f"-I{ROOT}/include", f"-I{folder}"]
    if "compiled" in words:
        common.append("-DLLAVA_COMPILED")
    source = folder / "budget.cpp"
    if words[0] == "pipeline":
        (folder / "llava_open").mkdir(exist_ok=True)
        for name, made in (("cpp", source), ("hpp", folder / "llava_open/budget.hpp")):
            text = (ROOT / f"cmake/instantiate.{name}.in").read_text()
            for key, value in PIPELINE.items():
                text = text.replace(f"@{key}@", value)
            made.write_text(text)
        return measure([*common, words[1], "-c", str(source), "-o", str(folder / "budget.o")])
    source.write_text(f"#include <{words[1]}>\n")
    runs = [measure([*common, "-fsyntax-only", str(source)]) for _ in range(3)]
    return statistics.median(r[0] for r in runs), max(r[1] for r in runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("what", nargs="*", help="entries of budget.txt (default: all)")
    args = parser.parse_args()
    entries = [line.split() for line in (ROOT / "bench/compile/budget.txt").read_text().splitlines()
               if line.strip() and not line.startswith("#")]
    over = 0
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        before = measure_reference(args.compiler, folder)
        for *words, ratio, mib in entries:
            what = " ".join(words)
            if args.what and not any(word in what for word in args.what):
                continue
            took, peak = measure_entry(words, args.compiler, folder)
            after = measure_reference(args.compiler, folder)
            times = took * 2 / (before + after)
            before = after
            fits = times <= float(ratio) and peak <= float(mib)
            over += not fits
            print(f"{what:<28} {times:6.2f} of {ratio:>5} ({took:.2f} s here)   {peak:6.0f} of {mib:>5} MiB   "
                  f"{'ok' if fits else 'OVER'}", flush=True)
    sys.exit(1 if over else 0)


if __name__ == "__main__":
    main()
