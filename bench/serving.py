# SPDX-License-Identifier: Apache-2.0
"""Measures `llava serve` and llama-server alternately, with the same model file and the same questions. serving.sh
builds both and starts this.

    serving.py --llava build/release/llava --rival FILE_OF_LLAMA_SERVER --data FOLDER [--scenarios a,b,c]
               [--clients 1,4,16] [--rounds 3] [--new-tokens 32] [--dtype q4_0] [--threads N] [--layers 8]
               [--scale 1] [--results FILE] [--figure FILE.svg] [--write docs/serving.md] [--table-only] [--quick]

A run starts one server, asks it the questions of one scenario, and stops it. Then the other server has its turn. One
question of its kind comes before what is measured; in c every client asks one, so that llama-server has the common
prompt in as many slots.
    a  every question is about a new picture
    b  four questions about each of eight pictures, in random order, always the same
    c  conversations of two questions without pictures, behind a system prompt of about 1,200 tokens
Both read the same GGUF files. Ours runs them with --dtype q4_0, which keeps their bytes and rounds activations to
8 bits, as llama.cpp does. llama-server's threads spin while they wait for each other, which costs it much on a busy
machine; with OMP_WAIT_POLICY=passive in the environment they sleep.
--results keeps all runs, also those before Ctrl-C: a further call with the same settings adds to them, and may have
other --clients, --scenarios and --rounds. The table has medians of the runs, and the range for requests/s. --scale asks
more or fewer questions. --quick asks the bundled model a few questions, to test this script. Without --rival, ours is
measured alone.
"""
import argparse
import itertools
import json
import os
import pathlib
import platform
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import serving_load
import serving_table

TINY = pathlib.Path(__file__).parent.parent / "examples" / "tiny"
SEQUENCES = 16
# Questions of a run with so many clients; in b it is always all 32. In c each of the two questions counts.
QUESTIONS = {"a": {1: 3, 4: 8, 16: 16}, "b": {1: 32, 4: 32, 16: 32}, "c": {1: 8, 4: 16, 16: 32}}


class Server:
    """A server as a process, ready to answer."""

    def __init__(self, command, log, port=None):
        self.log = open(log, "w+", encoding="utf-8", errors="replace")
        self.process = subprocess.Popen([str(c) for c in command], stdout=self.log, stderr=subprocess.STDOUT)
        self.port = port
        end = time.monotonic() + 600
        try:
            while not self.is_ready():
                if self.process.poll() is not None or time.monotonic() > end:
                    sys.exit(f"serving: {' '.join(map(str, command))} does not run; see {log}")
                time.sleep(0.05)
        except BaseException:
            self.stop()
            raise

    def is_ready(self):
        if self.port is None:  # ours says which port it took
            listening = re.search(r"listening on http://127\.0\.0\.1:(\d+)", pathlib.Path(self.log.name).read_text())
            if not listening:
                return False
            self.port = int(listening[1])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=5) as reply:
                return reply.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def ours(args, model):
    return Server([args.llava, "serve", "--model-path", model, "--dtype", args.dtype, "--threads", args.threads,
                   "--kv-tokens", args.kv_tokens, "--max-sequences", SEQUENCES, "--port", 0], args.data / "ours.log")


def rival(args, model):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return Server([args.rival, "--model", model, "--mmproj", model.with_name("mmproj.gguf"), "--threads", args.threads,
                   "--threads-batch", args.threads, "--ctx-size", args.kv_tokens, "--parallel", SEQUENCES,
                   "--ubatch-size", 640, "--host", "127.0.0.1", "--port", port, *args.rival_options.split()],
                  args.data / "rival.log", port)


SIDES = {"llava": ours, "llama-server": rival}


def count_of(args, scenario, clients):
    """Questions of a run."""
    asked = 2 * clients if args.quick else QUESTIONS[scenario].get(clients, 2 * clients)
    return max(clients, round(args.scale * asked))


def measure(args, server, scenario, clients):
    """The figures of one run."""
    pictures = itertools.cycle(sorted((TINY / "images").glob("*.*g")) if args.quick
                               else sorted((args.data / "pictures").glob("*.jpg")))
    scenarios = {"a": serving_load.new_pictures, "b": serving_load.same_pictures,
                 "c": serving_load.chats(4 if args.quick else args.rules)}

    def make(count):
        return scenarios[scenario](lambda: next(pictures), count)

    warm = [[serving_load.greeting(make(1)[0][0])] for _ in range(clients if scenario == "c" else 1)]
    replies, _ = serving_load.run(server.port, warm, clients, 2)
    if any(r.error for r in replies):
        print(f"serving: warming: {next(r.error for r in replies if r.error)}", file=sys.stderr)
    asked = make(count_of(args, scenario, clients))
    return serving_load.summary(*serving_load.run(server.port, asked, clients, args.new_tokens))


def measure_all(args, model, results):
    """Appends the runs of all rounds to the results and their file."""
    sides = list(SIDES) if args.rival else ["llava"]
    for number, scenario, clients, side in itertools.product(range(args.rounds), args.scenarios, args.clients, sides):
        start = time.monotonic()
        with SIDES[side](args, model) as server:
            found = measure(args, server, scenario, clients)
        results["runs"].append({"side": side, "scenario": scenario, "clients": clients, **found})
        args.results.write_text(json.dumps(results, indent=1))
        print(f"serving: round {number + 1}, {side}, {scenario}, {clients} clients: {found['requests/s']:.3f} a second,"
              f" first token {found['ttft_p50']:.2f} s, {found['errors']} errors {found['messages'] or ''}"
              f" ({time.monotonic() - start:.0f} s in all)", file=sys.stderr, flush=True)


def settings_of(args):
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    names = ("threads", "dtype", "layers", "new_tokens", "kv_tokens", "rules", "scale", "rival_options", "quick")
    return {"machine": cpu[1] if cpu else platform.processor(), **{n: getattr(args, n) for n in names},
            "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "")}


def load(args):
    """The results so far. Exits if they were measured with other settings."""
    if args.results.exists() and not args.quick:
        results = json.loads(args.results.read_text())
        if args.table_only or results["settings"] == settings_of(args):
            return results
        sys.exit(f"serving: {args.results} was measured with other settings, {results['settings']}; move it, or give "
                 "another file as --results")
    if args.table_only:
        sys.exit(f"serving: there is no {args.results}")
    return {"settings": settings_of(args), "runs": []}


def model_of(args):
    if args.quick:
        made = args.data / "tiny"
        if not made.exists():
            args.data.mkdir(parents=True, exist_ok=True)
            subprocess.run([args.llava, "convert", TINY, "--to", "gguf", "-o", made], check=True,
                           stdout=subprocess.DEVNULL)
        return made / "model.gguf"
    import serving_model  # needs third-party packages
    most = max(count_of(args, s, c) // (4 if s == "b" else 1) for s in args.scenarios for c in args.clients)
    return serving_model.write(args.llava, args.data, args.layers, 1 + most)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llava", type=pathlib.Path)
    parser.add_argument("--rival", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=pathlib.Path("build/bench-models/serving"))
    parser.add_argument("--scenarios", default="a,b,c")
    parser.add_argument("--clients", default="1,4,16")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--dtype", default="q4_0")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--kv-tokens", type=int, default=24576)
    parser.add_argument("--rules", type=int, default=20, help="sentences of the system prompt in c")
    parser.add_argument("--rival-options", default="", help="further options of llama-server")
    parser.add_argument("--results", type=pathlib.Path)
    parser.add_argument("--figure", type=pathlib.Path)
    parser.add_argument("--write", type=pathlib.Path, help="page whose section on this table is written anew")
    parser.add_argument("--table-only", action="store_true", help="measure nothing; print what --results has")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    args.scenarios = args.scenarios.split(",")
    args.clients = [int(c) for c in args.clients.split(",")]
    if unknown := set(args.scenarios) - set(QUESTIONS):
        parser.error(f"unknown scenarios: {', '.join(sorted(unknown))}")
    if not all(1 <= c <= SEQUENCES for c in args.clients):
        parser.error(f"--clients: from 1 to {SEQUENCES}")
    if args.quick:
        args.dtype, args.new_tokens, args.kv_tokens = "f16", 8, 2048 * SEQUENCES
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # the server is then stopped
    args.results = args.results or args.data / "results.json"
    results = load(args)
    if not args.table_only:
        if not args.llava:
            parser.error("--llava is needed")
        model = model_of(args)
        measure_all(args, model, results)
    serving_table.show(results, args.figure, args.write)
    return 1 if any(r["errors"] for r in results["runs"]) else 0


if __name__ == "__main__":
    sys.exit(main())
