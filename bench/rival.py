# SPDX-License-Identifier: Apache-2.0
"""Measures llava.hpp and llama.cpp alternately on the same random checkpoint. rival.sh builds both and starts this.

    rival.py --ours bench_pipeline --rival FOLDER_OF_LLAMA_PROGRAMS --models FOLDER [--threads N] [--runs N]
             [--formats f16,…] [--layers N] [--works encode,…] [--backend simd|avx2]
    rival.py --self-test

Prints a line for each workload and format, with the medians of the runs:
    encode|prefill|decode|end-to-end|with-load FORMAT ours rival RATIOx roof% (range of ours; range of the rival)
encode, end-to-end and with-load are in seconds, prefill (640 tokens) and decode (at depth 640) in tokens per second.
RATIO is the speed of ours divided by the rival's, and roof% is ours. end-to-end is an image, a prompt and 64 new tokens
with an open model. with-load also opens the model, whose files are in the page cache: ours from its packed file, the
rival's as a whole process. A workload that one of the two cannot run is reported on standard error. If ik_llama.cpp or
OpenVINO GenAI is installed, prefill and decode are compared with it too, in lines that end with its name.
"""
import argparse
import importlib.util
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

# Our format or policy: llama-quantize's name of the rival's nearest format. The rival's tower is always in f16, its
# fastest format. Every format of bench/formats.hpp must be listed here.
FORMATS = {"f16": "F16", "q16_0": "F16", "q8_0": "Q8_0", "all_q8_0": "Q8_0", "q8_0_a16": "Q8_0", "q4_0": "Q4_0",
           "q4_i8": "Q4_0", "q4_i8+q8_0": "Q4_0"}
OURS = {"encode": "encode", "prefill": "prefill640", "decode": "decode_at640", "end-to-end": "end_to_end64",
        "with-load": "with_load64"}
WORKS = ("encode", "prefill", "decode", "end-to-end", "with-load")
IS_RATE = {"prefill", "decode"}
CHAT = {"encode", "end-to-end", "with-load"}  # measured by the rival's chat program, on a prompt as long as ours
# Other programs: Python module, script that runs it, and our backends that may use the same instruction sets.
OTHERS = {"ik_llama.cpp": ("ik_llama_cpp", "rival_ik.py", {"simd", "avx2"}),
          "OpenVINO": ("openvino_genai", "rival_openvino.py", {"simd"})}
TEMPLATE = 26  # tokens of llama.cpp's "vicuna" template around a question; each byte is a token in rival_twin.py


def shape(layers):
    return "7b" if layers == 32 else f"7b-{layers}of32"


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True,
                          errors="replace")  # random models emit arbitrary bytes
    if done.returncode:
        raise RuntimeError(f"exit code {done.returncode}: {' '.join(map(str, command))}\n"
                           f"{(done.stdout + done.stderr)[-1500:]}")
    return done.stdout, done.stderr


def read_ours(document):
    """Returns {work: (value, roof%)} of a bench_pipeline report, and "prompt": the number of tokens, image included."""
    found = {}
    for b in document["benchmarks"]:
        if b.get("error_occurred"):
            raise RuntimeError(f"{b['name']}: {b['error_message']}")
        work = next((w for w, name in OURS.items() if b["name"].startswith(name + "/")), None)
        if work:
            seconds = b["real_time"] * {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1}[b["time_unit"]]
            found[work] = (b["tok/s"] if work in IS_RATE else seconds, b.get("roof%", 0.0))
        if work == "end-to-end":
            found["prompt"] = round(b["prompt"])
    return found


def ours(args, form):
    wanted = set(args.works) | ({"end-to-end"} if CHAT & set(args.works) else set())
    names = "|".join(name for work, name in OURS.items() if work in wanted)
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        run([args.ours, f"--formats={form}", f"--threads={args.threads}",
             f"--benchmark_filter=^({names})/{shape(args.layers)}/{re.escape(form)}/{args.backend}/(process|real)",
             f"--layers={args.layers}", "--benchmark_min_time=0.5", f"--benchmark_out={out.name}",
             "--benchmark_out_format=json"])
        return read_ours(json.load(open(out.name)))


def read_rival_chat(text):
    """Returns {"encode": seconds, "end-to-end": seconds from the image to the last token, "prompt": number of tokens}
    from the log of llama-mtmd-cli."""
    encode = re.search(r"batch encoding done in (\d+) ms", text)
    answer = re.search(r"(?<!prompt) eval time = *([0-9.]+) ms / *\d+ runs", text)
    if not encode:
        raise RuntimeError("llama-mtmd-cli printed no encode time:\n" + text[-1500:])
    found = {"encode": float(encode[1]) / 1e3}
    if answer:
        prompt = re.search(r"prompt eval time = *([0-9.]+) ms / *(\d+) tokens", text)
        found["end-to-end"] = (float(prompt[1]) + float(answer[1])) / 1e3  # the prompt's time includes the encode
        found["prompt"] = int(prompt[2])
    return found


def rival(args, text, vision, prompt_tokens):
    found = {}
    for work, how in (("prefill", ["-p", "640", "-n", "0", "-ub", "640"]),
                      ("decode", ["-p", "0", "-n", "16", "-d", "640"])):
        if work not in args.works:
            continue
        out, _ = run([args.rival / "llama-bench", "-m", text, "-t", args.threads, "-r", "1", "-o", "json", *how])
        found[work] = json.loads(out)[0]["avg_ts"]
    if not CHAT & set(args.works):
        return found
    question = "?" * (prompt_tokens - 576 - TEMPLATE)
    start = time.monotonic()
    out, log = run([args.rival / "llama-mtmd-cli", "-m", text, "--mmproj", vision, "--image", args.image,
                    "-p", question, "-n", "64", "-t", args.threads, "--ignore-eos", "--temp", "0", "-c", "4096",
                    "-ub", "640", "--chat-template", "vicuna", "--perf", "-lv", "4"])
    found["with-load"] = time.monotonic() - start
    found.update(read_rival_chat(out + log))
    if abs(found.pop("prompt", prompt_tokens) - prompt_tokens) > 0.02 * prompt_tokens:
        raise RuntimeError(f"the rival's prompt does not have {prompt_tokens} tokens:\n{log[-1500:]}")
    return found


def other(args, name, text):
    """Returns {work: value} of one of OTHERS, empty if it is not installed or does not run."""
    module, program, backends = OTHERS[name]
    works = {"prefill", "decode"} & set(args.works)
    if not works or args.backend not in backends or not importlib.util.find_spec(module):
        return {}
    try:
        out, _ = run([sys.executable, pathlib.Path(__file__).with_name(program), text, args.threads])
    except RuntimeError as failed:
        print(f"rival: {name}: {failed}", file=sys.stderr)
        return {}
    found = json.loads(out.splitlines()[-1])
    return {work: found[work] for work in works}


def twins(args, form):
    """Returns the rival's files for a format. Makes them if they do not exist."""
    name = shape(args.layers)
    folder = args.models / f"{name}-f16"
    if not (folder / "config.json").exists():
        run([args.ours, "--formats=f16", f"--layers={args.layers}", f"--benchmark_filter=^load/{name}/",
             "--benchmark_min_time=0.001"])
    base = {part: args.models / f"{name}-{part}-f16.gguf" for part in ("text", "vision")}
    if not all(p.exists() for p in base.values()):
        unfinished = [p.with_suffix(".unfinished") for p in base.values()]
        run([sys.executable, pathlib.Path(__file__).with_name("rival_twin.py"), folder, *unfinished])
        for made, path in zip(unfinished, base.values()):
            made.rename(path)
    kind = FORMATS[form]
    text = base["text"] if kind == "F16" else args.models / f"{name}-text-{kind.lower()}.gguf"
    if not text.exists():
        unfinished = text.with_suffix(".unfinished")
        run([args.rival / "llama-quantize", base["text"], unfinished, kind, args.threads])
        unfinished.rename(text)
    return text, base["vision"]  # the tower in 16 bits, as in weights<F>


def line(work, form, us, them):
    """us: [(value, roof%)], them: [value]"""
    mine, theirs = statistics.median(v for v, _ in us), statistics.median(them)
    ratio = mine / theirs if work in IS_RATE else theirs / mine
    spread = [f"{min(v):.4g} … {max(v):.4g}" for v in ([v for v, _ in us], them)]
    return (f"{work} {form} {mine:.4g} {theirs:.4g} {ratio:.2f}x {statistics.median(r for _, r in us):.0f}% "
            f"({'; '.join(spread)})")


def compare(args):
    listed, _ = run([args.ours, "--benchmark_list_tests=true"])
    for form in FORMATS:
        if args.formats and form not in args.formats.split(","):
            continue
        if f"/{form}/{args.backend}/" not in listed:
            print(f"rival: bench_pipeline has no {form} on {args.backend}", file=sys.stderr)
            continue
        text, vision = twins(args, form)
        us, them, others = [], [], {name: [] for name in OTHERS}
        for _ in range(args.runs):
            us.append(ours(args, form))
            them.append(rival(args, text, vision, us[-1].get("prompt", 0)))
            for name, runs in others.items():
                runs.append(other(args, name, text))
        for work in args.works:
            if all(work in one for one in us + them):
                print(line(work, form, [one[work] for one in us], [one[work] for one in them]), flush=True)
            else:
                print(f"rival: {work} {form} was not measured with both", file=sys.stderr)
            for name, runs in others.items():
                if all(work in one for one in us + runs):
                    print(line(work, form, [one[work] for one in us], [one[work] for one in runs]), name, flush=True)


def self_test():
    document = {"benchmarks": [
        {"name": f"{name}/{shape(8)}/f16/simd/real_time", "real_time": 2000.0, "time_unit": "ms", "tok/s": 10.0,
         "roof%": 61.0, "prompt": 640.0}
        for name in (*OURS.values(), "prefill64")]}
    found = read_ours(document)
    assert found["encode"] == (2.0, 61.0) and found["prefill"] == (10.0, 61.0) and found["prompt"] == 640, found
    assert found["with-load"] == (2.0, 61.0) and len(found) == 6, found
    assert line("encode", "f16", [(2.0, 61)], [3.0]) == "encode f16 2 3 1.50x 61% (2 … 2; 3 … 3)"
    assert line("decode", "q8_0", [(2.0, 90), (4.0, 92), (3.0, 91)], [2.0]) == (
        "decode q8_0 3 2 1.50x 91% (2 … 4; 2 … 2)")
    log = ("mtmd batch encoding done in 3640 ms\nllama_perf_context_print: load time = 10.0 ms\n"
           "llama_perf_context_print: prompt eval time = 4640.0 ms / 600 tokens\n"
           "llama_perf_context_print:        eval time = 2000.0 ms / 63 runs\n"
           "llama_perf_context_print: total time = 9.0 ms\n")
    chat = read_rival_chat(log)
    assert chat["encode"] == 3.64 and abs(chat["end-to-end"] - 6.64) < 1e-9 and chat["prompt"] == 600, chat
    print("ok")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ours", type=pathlib.Path)
    parser.add_argument("--rival", type=pathlib.Path)
    parser.add_argument("--models", type=pathlib.Path)
    parser.add_argument("--image", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--formats", default="")
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--works", default=",".join(WORKS))
    parser.add_argument("--backend", choices=("simd", "avx2"), default="simd",
                        help="avx2: run ours as on a machine without AVX-512")
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    if args.self_test:
        return self_test()
    args.works = args.works.split(",")
    if unknown := set(args.works) - set(WORKS):
        parser.error(f"unknown works: {', '.join(unknown)}")
    os.environ["LLAVA_BENCH_MODELS"] = str(args.models)
    try:
        compare(args)
    except RuntimeError as failed:
        sys.exit(f"rival: {failed}")


if __name__ == "__main__":
    main()
