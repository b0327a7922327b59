# SPDX-License-Identifier: Apache-2.0
"""Runs the steps of bench/gpu.sh (see there), each with a time limit of its own, and prints one table."""
import argparse
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import pack
import shapes
import steps
import table
from build import ROOT, programs
from steps import LIMITS


def arguments():
    parser = argparse.ArgumentParser(prog="bench/gpu.sh", description="Tests and measures on a GPU; see bench/gpu.sh.")
    parser.add_argument("--pack", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--from", dest="packed", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--only", default="", metavar="STEPS", help=",".join(LIMITS))
    parser.add_argument("--skip", default="", metavar="STEPS")
    parser.add_argument("--limit", type=float, default=460, metavar="SECONDS", help="of the whole run")
    parser.add_argument("--step-limit", type=float, default=0, metavar="SECONDS", help="of each step; 0: its own")
    parser.add_argument("--programs", default="", help="only these programs are built and run")
    parser.add_argument("--quick", action="store_true", help="small shapes, whose figures mean nothing")
    parser.add_argument("--emulator", type=pathlib.Path, metavar="LIBRARY",
                        help="no device: run on tests/cuda/emulator, built as this library")
    parser.add_argument("--models", type=pathlib.Path, metavar="FOLDER", help="for 15 GB of random weights")
    parser.add_argument("--keep-models", action="store_true")
    parser.add_argument("--architecture", default="", help="sm_90a; the device's, if there is one")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    for words in (args.only, args.skip):
        for name in filter(None, words.split(",")):
            if name not in LIMITS:
                parser.error(f"{name} is no step; the steps are {', '.join(LIMITS)}")
    for name in filter(None, args.programs.split(",")):
        if name not in programs():
            parser.error(f"{name} is no program; the programs are {', '.join(programs())}")
    chosen = set(filter(None, args.only.split(","))) or set(LIMITS)
    args.steps = [s for s in LIMITS if s in chosen - set(args.skip.split(",")) or s == "build"]
    if args.packed is None and (ROOT / "build/gpu/include").is_dir():
        args.packed = ROOT / "build/gpu"
    return args


class Run:
    """The steps of one run and what they found, written to `out` after each."""

    def __init__(self, args):
        self.args, self.start = args, time.monotonic()
        self.out = pathlib.Path(os.environ.get("OUT") or ROOT / "build/bench-results/gpu")
        self.out.mkdir(parents=True, exist_ok=True)
        self.work = ROOT / ("build/gpu-emulator" if args.emulator else "build/gpu-build")
        self.work.mkdir(parents=True, exist_ok=True)
        self.results = {"facts": {}, "steps": [], "figures": []}
        (self.out / "log.txt").write_text("")
        self.shape = shapes.Shape(shapes.QUICK_TEXT, shapes.QUICK_VISION) if args.quick else shapes.Shape()

    def left(self):
        return self.start + self.args.limit - time.monotonic()

    def add(self, name, state, seconds, text):
        self.results["steps"].append({"name": name, "state": state, "seconds": seconds, "text": text})
        print(f"{time.monotonic() - self.start:6.1f} s  {name}: {state}{': ' if text else ''}{text}", flush=True)
        self.write()

    def write(self):
        (self.out / "result.json").write_text(json.dumps(self.results, indent=1) + "\n")
        (self.out / "table.md").write_text(table.table({**self.results, "shape_object": self.shape}))

    def kept(self, name, state, text, log):
        """Adds the end of the log of a program that failed to log.txt. Returns the state and the text."""
        if state in ("failed", "timed out"):
            with open(self.out / "log.txt", "a") as out:
                out.write(f"==== {name}: {state}\n{log.read_text(errors='replace')[-8000:]}\n")
        return state, text

    def step(self, name, function):
        """Runs function(limit), which returns (state, text) or raises."""
        limit = min(self.args.step_limit or LIMITS[name.split(".")[0]], self.left())
        if limit < 2:
            self.add(name, "skipped", 0, "no time was left")
            return
        start = time.monotonic()
        try:
            state, text = function(limit)
        except Exception as problem:  # one step; the others go on
            state, text = "failed", f"{type(problem).__name__}: {problem}"
        self.add(name, state, time.monotonic() - start, text)


def run(args):
    missing = pack.includes(args.packed)[1]
    if missing:
        sys.exit(f"bench/gpu.sh: the headers of {' and '.join(missing)} are missing; pack them elsewhere (--pack) and "
                 "name that folder (--from)")
    this = Run(args)
    doing = steps.Steps(this)
    try:
        doing.facts()
        doing.begin_in_background()
        this.step("build", doing.build)
        for name in args.steps:
            if name != "build":
                doing.all_of(name)
    finally:
        doing.end()
        this.write()
        print("\n" + (this.out / "table.md").read_text())
    return 1 if any(s["state"] in ("failed", "timed out") for s in this.results["steps"]) else 0


def self_test():
    """The parts that need neither a compiler nor a device."""
    shapes.self_test()
    table.self_test()
    steps.self_test()
    help_text = subprocess.run([sys.executable, __file__, "--only", "nothing"], capture_output=True, text=True)
    if help_text.returncode != 2 or "nothing is no step" not in help_text.stderr:
        sys.exit(f"run.py: expected a sentence about an unknown step, found {help_text.stderr}")
    print("the table, the shapes and the steps are as expected")


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the table is printed
    args = arguments()
    if args.self_test:
        return self_test()
    if args.pack:
        return pack.pack(args.pack)
    return run(args)


if __name__ == "__main__":
    sys.exit(main())
