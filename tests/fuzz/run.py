# SPDX-License-Identifier: Apache-2.0
"""Runs the fuzz targets of the preset `fuzz`, with seeds from the tests' data, for a bounded number of executions.

    python3 tests/fuzz/run.py [--runs N] [--build build/fuzz] [TARGET...]

Every target gets the same random seed, so that two runs try the same inputs. An input that fails stays in the build
folder, and its path is printed. An input has at most 64 KiB. A single allocation may have at most 64 MiB plus four
times the input (R1), except the pixels of an image. For a release use --runs 700000, over ten million in all.
"""
import argparse
import base64
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data"
LARGEST = 1 << 16
CONFIGS = ("config.json", "preprocessor_config.json", "generation_config.json", "processor_config.json",
           "tower/config.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")


def images(pack="images.pack", index="decode.txt"):
    """Yields the images of a pack in tests/data/image that have less than 2000 bytes."""
    pack = (DATA / "image" / pack).read_bytes()
    for line in (DATA / "image" / index).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            at, size = map(int, line.split()[1:3])
            if size < 2000:
                yield pack[at:at + size]


def openai_requests():
    """Yields bodies of requests, each behind a byte that says which kind it is."""
    image = "data:image/png;base64," + base64.b64encode(next(images())).decode()
    parts = [{"type": "text", "text": "What is <image>?"}, {"type": "image_url", "image_url": {"url": image}},
             {"type": "text", "text": "Say it."}]
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": parts[1:]},
             {"role": "assistant", "content": "three", "refusal": None, "tool_calls": []},
             {"role": "user", "content": parts[:2]}]
    common = {"model": "tiny", "stream": True, "stream_options": {"include_usage": True}, "n": 2, "seed": -3,
              "stop": ["a"],
              "max_tokens": 5, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.1, "presence_penalty": -1,
              "frequency_penalty": 1, "repetition_penalty": 1.1, "ignore_eos": True, "stop_token_ids": [1, 2],
              "logit_bias": {"5": -100, "17": 1.5}, "user": "me", "metadata": {"a": "b"}, "store": False, "best_of": 1,
              "response_format": {"type": "text"}}
    chat = {"logprobs": True, "top_logprobs": 3, "tools": [], "tool_choice": "none", "modalities": ["text"]}
    for body in ({"messages": turns}, {"messages": [{"role": "user", "content": parts}]},
                 {"messages": turns[3:], **chat, **common}):
        yield b"\1" + json.dumps(body).encode()
        yield b"\2" + json.dumps(body).encode()
    for body in ({"prompt": "a"}, {"prompt": "b", "logprobs": 2, "echo": False, "suffix": "", **common}):
        yield b"\0" + json.dumps(body).encode()
    yield b"\0" + b"[" * 70


def seeds(target):
    """Yields the initial inputs of a target."""
    goldens = sorted((DATA / "goldens").iterdir())
    if target == "safetensors":
        for file in sorted(DATA.glob("goldens/*/*.safetensors")):
            yield file.read_bytes()[:LARGEST]
        yield b"\x38" + bytes(7) + b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}' + bytes(8)
        yield b"\x02" + bytes(7) + b"{}"
    elif target == "bitsandbytes":
        yield (DATA / "bitsandbytes" / "model.safetensors").read_bytes()
    elif target == "gptq_awq":
        for folder in sorted((DATA / "gptq_awq").iterdir()):
            how = json.loads((folder / "config.json").read_text(encoding="utf-8"))["quantization_config"]
            yield json.dumps(how)[1:-1].encode() + b"\0" + (folder / "model.safetensors").read_bytes()
    elif target == "safetensors_index":
        yield b'{"metadata":{"total_size":4},"weight_map":{"a":"a"}}'
        yield b'{"weight_map":{"b":"../a"}}'
    elif target == "torch_file":
        for file in sorted((DATA / "torch").glob("*.bin")):
            yield file.read_bytes()
    elif target == "tokenizer_model":
        for file in sorted(DATA.glob("**/tokenizer.model")):
            yield file.read_bytes()[:LARGEST]
    elif target == "tokenizer_json":
        for file in sorted(DATA.glob("**/tokenizer.json")):
            if file.stat().st_size <= LARGEST:
                yield file.read_bytes()
    elif target == "gguf":
        for file in sorted(DATA.glob("goldens/*/*.gguf")):
            if file.stat().st_size <= LARGEST:
                yield file.read_bytes()
        yield b"GGUF\x03" + bytes(19)
        one = b"\x01" + bytes(7)
        yield (b"GGUF\x03" + bytes(3) + one + one + one + b"k\x07" + bytes(3) + b"\x01"
               + one + b"t\x01" + bytes(3) + one + bytes(12) + bytes(34))
    elif target == "config_json":
        for folder in (*goldens, ROOT / "examples" / "tiny"):
            for number, name in enumerate(CONFIGS):
                if (folder / name).exists():
                    yield bytes([number]) + (folder / name).read_bytes()
    elif target in ("animation_file", "video_file"):
        kind = target.replace("_file", "s")
        pack = (DATA / "image" / f"{kind}.pack").read_bytes()
        for line in (DATA / "image" / f"{kind}.txt").read_text().splitlines():
            words = line.split()
            if words[0] == "file":
                yield pack[int(words[2]):int(words[2]) + int(words[3])]
    elif target == "image_file":
        yield from images()
        yield from images("formats.pack", "formats.txt")
    elif target == "chat_template":
        for template, _ in json.loads((DATA / "text" / "chat_templates.json").read_text(encoding="utf-8"))["vectors"]:
            yield template.encode()
    elif target == "json_schema":
        for case in json.loads((DATA / "grammar" / "vectors.json").read_text(encoding="utf-8"))["cases"]:
            yield case["schema"].encode() + b"\0" + bytes(range(0, 256, 5)) * 3
    elif target == "http_request":
        sys.path.insert(0, str(ROOT / "tests" / "serve"))
        from http_cases import ANSWERED, REFUSED
        for _, sent, _ in REFUSED + ANSWERED:
            if len(sent) < 2000:
                yield sent
    elif target == "openai_request":
        yield from openai_requests()
    elif target == "text":
        yield from ("The quick brown fox 12345 \u6f22\u5b57\n\n  <s></s><image>".encode(),
                    b"\xff\xfe<|im_start|>user\n")


def run(binary, runs):
    """Runs a target. Returns whether every input passed."""
    corpus = pathlib.Path(tempfile.mkdtemp(prefix="llava_fuzz_"))
    for number, data in enumerate(seeds(binary.name)):
        (corpus / f"{number:04}").write_bytes(data)
    found = binary.parent / f"{binary.name}-"
    limits = [] if binary.name in ("image_file", "animation_file", "video_file") else ["-malloc_limit_mb=65"]
    if binary.name == "video_file":
        runs = max(runs // 10, 1)  # opening a file takes milliseconds, most of them in FFmpeg's libraries
    done = subprocess.run([binary, f"-runs={runs}", "-seed=1", f"-max_len={LARGEST}", "-rss_limit_mb=4096",
                           "-timeout=60", f"-artifact_prefix={found}", *limits, corpus],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    shutil.rmtree(corpus)
    last = [line for line in done.stderr.splitlines() if line.startswith("Done ")]
    print(f"{binary.name}: {last[0] if last else 'ended with code ' + str(done.returncode)}", flush=True)
    if done.returncode or not last:
        print(done.stderr[-6000:])
    return done.returncode == 0 and bool(last)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--runs", type=int, default=20000)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "fuzz")
    options.add_argument("targets", nargs="*")
    o = options.parse_args()
    names = o.targets or sorted(p.stem for p in (ROOT / "tests" / "fuzz").glob("*.cpp"))
    outcomes = [run(o.build / "tests" / "fuzz" / name, o.runs) for name in names]
    sys.exit(0 if outcomes and all(outcomes) else 1)


if __name__ == "__main__":
    main()
