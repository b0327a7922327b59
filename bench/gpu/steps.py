# SPDX-License-Identifier: Apache-2.0
"""The steps of bench/gpu.sh. Each runs programs that build.py has built, and returns a state and a sentence."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pack
from build import FORMATS, MEASURED, OPS, ROOT, Builder, find_nvcc, programs, run_limited

BENCH = pathlib.Path(__file__).resolve().parent
VECTORS = ROOT / "tests/data/cuda/vectors.txt"
# Steps in their order, and the most seconds of each. Weights and the rival are prepared while the programs are built.
LIMITS = {"build": 200, "vectors": 20, "vocabulary": 20, "ops": 45, "goldens": 45, "answers": 30, "roofs": 40,
          "figures": 150, "rival": 60, "sanitizer": 80}
PROGRAMS = {"vectors": ["vectors"], "vocabulary": ["vocabulary"], "ops": [f"ops_{name}" for name in OPS],
            "goldens": ["goldens"], "answers": [f"answers_{f}" for f in FORMATS],
            "roofs": ["read_roof", "product_roof"], "figures": [f"figures_{f}" for f in MEASURED],
            "sanitizer": ["vectors", "vocabulary"]}


def figures_in(path):
    """The lines of JSON in a log, which may end within a line."""
    found = []
    for line in pathlib.Path(path).read_text(errors="replace").splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass
    return found


def last_line(path):
    lines = [line for line in pathlib.Path(path).read_text(errors="replace").splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith(("{", "====="))]
    return lines[-1].strip()[:300] if lines else ""


def state_of(code, log):
    """What the exit code of a program means. 77: it cannot run here, and its last line says why."""
    if code is None:
        return "timed out", last_line(log)
    return {0: "ok", 77: "skipped"}.get(code, "failed"), last_line(log) or (f"exit code {code}" if code else "")


def output_of(*command):
    """The output of a command, or an empty text."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


class Steps:
    def __init__(self, this):
        self.this, self.args, self.work = this, this.args, this.work
        self.background, self.unbuilt, self.has_device = {}, {}, bool(this.args.emulator)
        self.models = self.args.models or self.place_of_models()

    def place_of_models(self):
        """Memory, if 20 GB of it are free."""
        shared = pathlib.Path("/dev/shm")
        fits = not self.args.quick and shared.is_dir() and shutil.disk_usage(shared).free > 20e9
        return (shared if fits else self.work) / "llava-gpu-models"

    def limit_of(self, name):
        return self.args.step_limit or LIMITS[name]

    def facts(self):
        facts = self.this.results["facts"]
        query = "name,driver_version,compute_cap,memory.total,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem"
        device = output_of("nvidia-smi", f"--query-gpu={query}", "--format=csv,noheader").splitlines()
        self.architecture = self.args.architecture or "sm_90a"
        if self.args.emulator:
            facts["device"] = "the emulator: no figure means anything"
        elif device:
            self.has_device = True
            facts["device"] = device[0]
            facts["columns"] = query
            if not self.args.architecture:
                digits = device[0].split(",")[2].strip().replace(".", "")
                self.architecture = f"sm_{digits}{'a' if digits >= '90' or len(digits) > 2 else ''}"
        else:
            facts["device"] = "this machine has no CUDA device; what needs one is skipped"
        nvcc = find_nvcc()
        facts["nvcc"] = output_of(nvcc, "--version").splitlines()[-1] if nvcc else "not found"
        facts["host compiler"] = (output_of(os.environ.get("CXX", "g++"), "--version").splitlines() or ["not found"])[0]
        facts["cores"] = len(os.sched_getaffinity(0))
        print("\n".join(f"{k}: {v}" for k, v in facts.items()), flush=True)

    def start(self, name, command):
        log = open(self.work / f"{name}.log", "wb")
        self.background[name] = subprocess.Popen([str(c) for c in command], stdout=log, stderr=subprocess.STDOUT,
                                                 stdin=subprocess.DEVNULL, start_new_session=True)

    def begin_in_background(self):
        """Random weights and the preparation of the rival, while programs are built."""
        if "figures" in self.args.steps and self.has_device:
            self.start("weights", [sys.executable, BENCH / "shapes.py", self.models,
                                   *(["--quick"] if self.args.quick else [])])
        if "rival" in self.args.steps and self.has_device and not self.args.emulator:
            self.go, self.enough = self.work / "rival.go", self.work / "rival.enough"
            self.go.unlink(missing_ok=True)
            self.enough.unlink(missing_ok=True)
            self.start("rival", [sys.executable, BENCH / "rival.py", "--wait", self.go, "--enough", self.enough,
                                 *(["--quick"] if self.args.quick else [])])

    def end(self):
        for process in self.background.values():
            if process.poll() is None:
                try:
                    os.killpg(process.pid, 9)
                except ProcessLookupError:
                    pass
                process.wait()
        if not self.args.keep_models and not self.args.models:
            shutil.rmtree(self.models, ignore_errors=True)

    def build(self, limit):
        nvcc = None if self.args.emulator else find_nvcc()
        if not nvcc and not self.args.emulator:
            self.unbuilt = dict.fromkeys(programs(), "nvcc was not found")
            return "failed", "nvcc was not found: put it on the PATH or set CUDA_HOME"
        builder = Builder(self.work, pack.includes(self.args.packed)[0], nvcc, os.environ.get("CXX", "g++"),
                          self.architecture, self.args.emulator, self.args.step_limit or 140)
        wanted = [p for s in self.args.steps for p in PROGRAMS.get(s, [])]
        chosen = set(filter(None, self.args.programs.split(",")))
        if not nvcc:
            wanted = [p for p in wanted if p != "product_roof"]  # a roof of the emulator
        wanted = [p for p in dict.fromkeys(wanted) if not chosen or p in chosen]
        self.unbuilt = dict.fromkeys(set(programs()) - set(wanted), "it was not asked for")
        failed = builder.build(wanted, time.monotonic() + limit)
        self.unbuilt |= failed
        self.this.results["compile_seconds"] = builder.times
        for name in builder.problems:
            if (self.work / f"{name}.log").exists():
                self.this.kept(name, "failed", "", self.work / f"{name}.log")
        slowest = sorted(builder.times.items(), key=lambda item: -item[1])[:4]
        text = f"{len(wanted) - len(failed)} of {len(wanted)} programs; slowest: " + ", ".join(
            f"{name} {seconds:.0f} s" for name, seconds in slowest)
        text += "".join(f"; {name}: {why}" for name, why in failed.items())
        return ("failed" if failed else "ok"), text

    def all_of(self, name):
        """Runs a step for each of its programs."""
        own = {"vectors": self.vectors, "rival": self.rival, "sanitizer": self.sanitizer, "figures": self.figures}
        if not self.has_device:
            return self.this.add(name, "skipped", 0, "no CUDA device")
        if name in ("roofs", "figures", "rival"):
            self.wait_until_idle()
        if name in own:
            return own[name]()
        end = time.monotonic() + self.limit_of(name)
        for program in PROGRAMS[name]:
            self.one(name, program, self.extra(program), end)

    def extra(self, program):
        return ["0.004", "2"] if self.args.quick and program == "read_roof" else []

    def one(self, name, program, extra, end, words=""):
        """Runs a program as a step; what it writes as JSON is a figure."""
        if program in self.unbuilt:
            if self.unbuilt[program] != "it was not asked for":
                self.this.add(f"{name}.{program}", "skipped", 0, f"not built: {self.unbuilt[program]}")
            return

        def call(limit):
            log = self.work / f"{program}.run.log"
            code, _ = run_limited([self.work / program, *extra], min(limit, end - time.monotonic()), log)
            self.this.results["figures"] += figures_in(log)
            return self.this.kept(f"{name}.{program}", *state_of(code, log), log)

        self.this.step(f"{name}.{words or program}", call)

    def vectors(self):
        file = self.this.out / "vectors.txt"
        file.unlink(missing_ok=True)
        self.one("vectors", "vectors", [file], time.monotonic() + 10, "write")
        if file.exists():
            self.one("vectors", "vectors", ["--check", VECTORS], time.monotonic() + 10, "compare")

    def figures(self):
        quick = "--runs 2 --prompt 40 --depth 48 --batch 3 --tokens 8".split() if self.args.quick else []
        weights = self.background.get("weights")
        if weights is None or weights.poll() != 0:
            return self.this.add("figures", "failed", 0, f"no weights: {last_line(self.work / 'weights.log')}")
        self.this.results["facts"]["weights"] = last_line(self.work / "weights.log")
        for program in PROGRAMS["figures"]:
            tiles = ["--tiles", self.models / "tiles"] if program == "figures_bf16" else []
            more = ["--tokens", "0"] if program == "figures_cublaslt" else []  # decode is that of bf16
            self.one("figures", program, ["--model", self.models / "model", *tiles, *quick, *more],
                     time.monotonic() + self.limit_of("figures") / len(MEASURED))

    def is_preparing(self):
        rival = self.background.get("rival")
        return rival and rival.poll() is None and not any("ready" in f for f in figures_in(self.work / "rival.log"))

    def wait_until_idle(self):
        """Waits until the weights are written and the rival is prepared. After 30 s the rival compiles no further
        stage, and after 40 s more it is ended."""
        weights, end = self.background.get("weights"), time.monotonic() + 30
        while time.monotonic() < end and ((weights and weights.poll() is None) or self.is_preparing()):
            time.sleep(0.1)
        if self.is_preparing():
            self.enough.touch()
        while time.monotonic() < end + 40 and self.is_preparing():
            time.sleep(0.1)
        if self.is_preparing():
            os.killpg(self.background["rival"].pid, 9)
            self.background["rival"].wait()

    def rival(self):
        process = self.background.get("rival")
        if process is None:
            return self.this.add("rival", "skipped", 0, "it needs a CUDA device")

        def call(limit):
            log = self.work / "rival.log"
            was_ready = any("ready" in f for f in figures_in(log))
            self.go.touch()
            try:
                code = process.wait(timeout=limit)
            except subprocess.TimeoutExpired:
                code = None
            figures = figures_in(log)
            self.this.results["figures"] += [f for f in figures if "figure" in f]
            problems = {}
            for f in figures:
                if "problem" in f:
                    problems.setdefault(f["problem"], []).append(f"{f['figure']} ({f['way']})")
            sentences = [f"{', '.join(dict.fromkeys(names))}: {why}" for why, names in problems.items()]
            ready = next((f for f in figures if "ready" in f), None)
            versions = f"torch {ready['torch']}, transformers {ready['transformers']}" if ready else ""
            if not was_ready and code not in (0, 77):
                return "failed", f"it was not prepared in time: {last_line(log)}"
            state, text = self.this.kept("rival", *state_of(code, log), log)
            return state, "; ".join(filter(None, [versions, *sentences, text if state != "ok" else ""]))

        self.this.step("rival", call)

    def sanitizer(self):
        tool = shutil.which("compute-sanitizer")
        nvcc = find_nvcc()
        if not tool and nvcc:
            folder = pathlib.Path(nvcc).resolve().parents[1]
            places = (folder / "bin/compute-sanitizer", folder / "compute-sanitizer/compute-sanitizer")
            tool = next((str(p) for p in places if p.exists()), None)
        if self.args.emulator or not tool:
            return self.this.add("sanitizer", "skipped", 0, "compute-sanitizer is not installed")
        built = [p for p in PROGRAMS["sanitizer"] if p not in self.unbuilt]
        end = time.monotonic() + self.limit_of("sanitizer")
        for check in ("memcheck", "racecheck", "synccheck"):
            for program in built:
                log = self.work / f"{check}.{program}.log"
                what = [self.work / "sanitized.txt"] if program == "vectors" else []

                def call(limit, program=program, check=check, log=log, what=what):
                    code, _ = run_limited([tool, "--tool", check, "--error-exitcode", "9", self.work / program, *what],
                                          min(limit, end - time.monotonic()), log)
                    state, text = self.this.kept(f"{check}.{program}", *state_of(code, log), log)
                    lines = log.read_text(errors="replace").splitlines()
                    summary = [line for line in lines if "ERROR SUMMARY" in line or "RACECHECK SUMMARY" in line]
                    return state, (summary[-1].strip("= ") if summary else text)

                self.this.step(f"sanitizer.{check}.{program}", call)


def self_test():
    with tempfile.TemporaryDirectory() as name:
        log = pathlib.Path(name) / "log"
        code, seconds = run_limited([sys.executable, "-c", "import time; print('{\"figure\": 1}', flush=True);"
                                     "print('begun', flush=True); time.sleep(60)"], 1.5, log)
        if code is not None or seconds > 20 or state_of(code, log) != ("timed out", "begun"):
            sys.exit(f"steps.py: expected a program to be ended after its time, found {code} after {seconds} s")
        if figures_in(log) != [{"figure": 1}]:
            sys.exit(f"steps.py: expected the figure of a program that was ended, found {figures_in(log)}")
        code, _ = run_limited([sys.executable, "-c", "print('no device'); raise SystemExit(77)"], 20, log)
        if state_of(code, log) != ("skipped", "no device"):
            sys.exit(f"steps.py: expected a program to be skipped, found {state_of(code, log)}")
        code, _ = run_limited([sys.executable, "-c", "raise SystemExit(3)"], 20, log)
        if state_of(code, log) != ("failed", "exit code 3"):
            sys.exit(f"steps.py: expected a failure, found {state_of(code, log)}")
