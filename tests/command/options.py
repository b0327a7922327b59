# SPDX-License-Identifier: Apache-2.0
"""Tests the options of all commands: what help says of them, and that no value is taken which means something else than
it says. Run in the repository's root:

    options.py LLAVA [LLAVA_SERVE]   the second one, if it is built with its servers
"""
import base64
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import urllib.request

PROGRAMS = list(itertools.takewhile(lambda a: not a.startswith("-"), sys.argv[1:]))
LLAVA, SERVE = (PROGRAMS + [None])[:2]
TINY = "examples/tiny"
# Texts that are used as they are.
MAY_BE_EMPTY = {("ask", "--query"), ("ask", "--sep"), ("inspect", "--sep"), ("inspect", "--prompt"),
                ("tokenize", "--text"), ("test-message", "--message")}
# Numbers without which something is not done; they have no default.
NO_DEFAULT = {"--logit-bias", "--stop-token-id", "--top-logprobs"}
# The commands of `llava` that are those of llava-serve.
OTHERS = {"chat", "batch", "serve", "controller", "worker", "register-worker", "test-message", "web", "pull"}


def run(program, *words, **environment):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                          env=clean | environment, check=False)


def commands(program, *words):
    """The commands below these words, as lists of words."""
    text = run(program, *words, "--help").stdout
    if "Subcommands:\n" not in text:
        return [list(words)]
    names = re.findall(r"^  (\S+)", text.split("Subcommands:\n")[1], re.M)
    return [c for name in names if program != LLAVA or name not in OTHERS for c in commands(program, *words, name)]


def options(program, command):
    """The first long name, type and help of each option that takes a value."""
    text = run(program, *command, "--help").stdout.split("Options:\n")[1].split("\n\n")[0]
    for entry in re.split(r"\n(?=  -)", text.rstrip()):
        names, kind, about = re.match(r"\s+(\S+)(?: (TEXT|INT|UINT|FLOAT)\b)?(.*)", entry, re.S).groups()
        if kind:
            yield next(n for n in names.split(",") if n.startswith("--")), kind, " ".join(about.split())


class EveryOption(unittest.TestCase):
    def each(self):
        for program in (p for p in (LLAVA, SERVE) if p):
            found = commands(program)
            self.assertGreater(len(found), 8)
            for command in found:
                for option in options(program, command):
                    yield program, command, *option

    def test_values_that_mean_something_else_are_refused(self):
        wrong = {kind: itertools.cycle(values) for kind, values in {
            "INT": ["nan", "1e3", "0x10", "5x", "9" * 20, "-" + "9" * 20],
            "UINT": ["nan", "1e3", "0x10", "-1", "18446744073709551616"],
            "FLOAT": ["nan", "inf", "1x", "-nan"]}.items()}
        seen = 0
        for program, command, name, kind, _ in self.each():
            if (command[-1], name) in MAY_BE_EMPTY:
                continue
            for value in [""] + ([] if kind == "TEXT" else [next(wrong[kind])]):
                # `--logit-bias` takes two values.
                words = [name, value, "1"] if name == "--logit-bias" else [f"{name}={value}"] if value else [name, ""]
                done = run(program, *command, *words)
                self.assertGreater(done.returncode, 0, (command, words))
                first = done.stderr.splitlines()[0]
                self.assertRegex(first, f"^{name}: expected .*, found ", (command, words, done.stderr))
                self.assertEqual(done.stdout, "")
                seen += 1
        self.assertGreater(seen, 100)  # over 200 with the servers, which need Boost
        for name, value in (("--seed", "18446744073709551616"), ("--temperature", "nan"), ("--top-k", "9" * 20)):
            self.assertIn(f"expected a {'' if value == 'nan' else 'whole '}number",
                          run(LLAVA, "ask", "--model-path", TINY, "--query", "x", name, value).stderr)

    def test_help_shows_each_default(self):
        for _, command, name, kind, about in self.each():
            self.assertNotIn("(default)", about)
            self.assertNotIn("=[]", about)
            if kind != "TEXT" and name not in NO_DEFAULT:
                self.assertRegex(about, r"=-?[0-9]|default: ", (command, name))

    @unittest.skipUnless(SERVE, "llava-serve is not built")
    def test_help_of_some_commands(self):
        for command, name, default in (
                ("chat", "--temperature", "=0.2"), ("chat", "--max-new-tokens", "=512"), ("chat", "--backend", "=simd"),
                ("batch", "--temperature", "=0.2"), ("batch", "--max-new-tokens", "=1024"),
                ("batch", "--max-sequences", "=16"), ("web", "--model-list-mode", "=once"),
                ("web", "--port", "=7860"), ("controller", "--dispatch-method", "=shortest_queue"),
                ("worker", "--threads", "=0"), ("worker", "--dtype", "=auto"), ("serve", "--port", "=8000"),
                ("test-message", "--max-new-tokens", "=32"), ("pull", "--revision", "=main")):
            about = {n: a for n, _, a in options(SERVE, [command])}
            self.assertIn(default, about[name], command)
        text = run(SERVE, "batch", "--help").stdout
        self.assertIn("Usage: llava batch [OPTIONS] INPUT", text)
        self.assertIn("Example: llava batch", text)
        self.assertIn("{auto,f32", {n: a for n, _, a in options(SERVE, ["worker"])}["--dtype"])

    def test_whole_numbers_are_decimal(self):
        words = ("ask", "--model-path", TINY, "--query", "hello", "--json", "--temperature", "5", "--max-new-tokens")
        tokens = [re.search(r'"tokens": (\[.*?\])', run(LLAVA, *words, "8", "--seed", seed).stdout)[1]
                  for seed in ("10", "010", "8")]
        self.assertEqual(tokens[0], tokens[1])
        self.assertNotEqual(tokens[0], tokens[2])


@unittest.skipUnless(SERVE, "llava-serve is not built")
class OptionsOfServers(unittest.TestCase):
    def refused(self, words, sentence):
        done = run(SERVE, *words)
        self.assertGreater(done.returncode, 0, words)
        self.assertIn(sentence, done.stderr, words)
        self.assertNotIn("is loaded", done.stdout, words)  # found before that

    def test_addresses(self):
        for option, values in {
                "--allowed-origin": ["example.org", "https://", "https://a b", "https://x.org/path", "ftp://x.org",
                                     "file:///x", "null", "https://u:p@x.org", "https://*.x.org", "https://x.org:0"],
                "--host-name": ["http://box", "box:80", "box/", "a b", "*", "user@box"],
                "--host": ["example.org", "127.0.0.1:80", "300.0.0.1", "127.1"]}.items():
            for value in values:
                self.refused(["serve", "--model-path", TINY, "--port", "0", option, value], f"{option}: expected ")
        for port in ("65536", "-1", "http"):
            self.refused(["serve", "--model-path", TINY, "--port", port], "--port: ")
        for command, option in (("web", "--controller-url"), ("worker", "--controller-address"),
                                ("worker", "--worker-address"), ("worker", "--backend-url"),
                                ("test-message", "--worker-address"), ("register-worker", "--worker-name")):
            for value in ("localhost:21001", "https://localhost", "http://a b", "http://localhost:99999"):
                self.refused([command, option, value], "not a valid URL")

    def test_models_are_compared_before_they_are_loaded(self):
        two = ["serve", "--port", "0", "--model-path", TINY, "--model-path"]
        for words, sentence in (
                (two + [TINY], f"llava: {TINY} and {TINY} would both be called tiny in requests; name each model"),
                (two + [f"{TINY}/", "--model-name", "x", "--model-name", "x"], "would both be called x"),
                (two + ["absent", "--model-name", "a", "--model-name", "b", "--model-name", "c"],
                 "llava: --model-name has 3 values, but --model-path 2: c belongs to no model"),
                (["serve", "--model-path", TINY, "--model-base", "a", "--model-base", "b"], "b belongs to no model"),
                (["serve", "--model-path", TINY, "--mmproj", "a", "--mmproj", "b"], "--mmproj has 2 values"),
                (two + ["other", "--packed-file", "w", "--packed-file", "w"],
                 "--packed-file w is given for two models"),
                (["serve", "--model-path", TINY, "--kv-tokens", "1"],
                 "--kv-tokens: expected 0 or 64 to 16777216, found 1\n"),
                (["serve", "--model-path", TINY, "--kv-tokens", "16777217"], "--kv-tokens: expected 0 or 64")):
            self.refused(words, sentence)
        self.refused(["serve", "--model-path", TINY, "--port", "0", "--kv-tokens", "65"],
                     "llava: --kv-tokens 65 has no room for a question about an image, which takes 49 tokens of tiny; "
                     "give at least 113")

    def test_options_of_a_model(self):
        none = ["--model-base", "none", "--mmproj", "none", "--packed-file", "none"]
        for command in (["serve", "--port", "0"], ["worker", "--no-register", "--port", "0"], ["chat"]):
            words = command + ["--model-path", TINY, "--backend", "scalar"]
            self.refused(words + ["--dtype", "q4_0"], "was built without backend scalar with weights as q4_0")
            self.refused(words + ["--packed-file", "x.packed"], "the packed file x.packed would hold nothing: the "
                                                                "weights are f16, and only quantised ones are packed")
            self.refused(words + ["--mmproj", "absent.gguf"], "absent.gguf")
            self.refused(words + ["--model-base", "absent"], "absent")
            self.refused(words + ["--dtype", "q5"], "--dtype: q5 not in {auto,f32")
        done = run(SERVE, "serve", "--port", "0", "--model-path", "absent", *none)
        self.assertIn("absent", done.stderr)
        self.assertNotIn("none", done.stderr)

    def test_files_of_several_models(self):
        with tempfile.TemporaryDirectory() as folder:
            gguf, packed = f"{folder}/gguf", f"{folder}/w.packed"
            self.assertEqual(run(LLAVA, "convert", TINY, "--to", "gguf", "-o", gguf).returncode, 0)
            os.makedirs(f"{folder}/tower")
            os.rename(f"{gguf}/mmproj.gguf", f"{folder}/tower/mmproj.gguf")
            words = [SERVE, "serve", "--port", "0", "--threads", "1", "--dtype", "q8_0",
                     "--model-path", f"{gguf}/model.gguf", "--mmproj", f"{folder}/tower/mmproj.gguf",
                     "--packed-file", "none", "--model-path", TINY, "--packed-file", packed]
            for _ in range(2):  # the second start maps the packed file
                with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
                    lines = list(itertools.takewhile(lambda line: "ready" not in line, server.stdout))
                    self.assertIn("llava: tiny is loaded, with weights as q8_0\n", lines)
                    port = int(lines[0].rsplit(":", 1)[1])
                    image = base64.b64encode(pathlib.Path(TINY, "images/three-shapes.png").read_bytes()).decode()
                    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{image}"}}
                    content = [url, {"type": "text", "text": "How many shapes are there?"}]
                    for model in ("model.gguf", "tiny"):
                        body = {"model": model, "temperature": 0, "messages": [{"role": "user", "content": content}]}
                        with urllib.request.urlopen(urllib.request.Request(
                                f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode()),
                                timeout=60) as reply:
                            told = json.loads(reply.read())["choices"][0]["message"]["content"]
                        self.assertEqual(told, "three", model)
                    server.terminate()
                self.assertEqual(server.returncode, 0)
                self.assertGreater(os.path.getsize(packed), 100_000)

    def test_no_controller(self):
        address = "http://127.0.0.1:1"
        hint = "; start a controller there (llava controller), or name another with --controller-address"
        for words in (["test-message", "--controller-address", address],
                      ["register-worker", "--controller-address", address, "--worker-name", "http://localhost:2"]):
            self.refused(words, hint)


class PackedFiles(unittest.TestCase):
    def asked(self, *words, model=TINY):
        return run(LLAVA, "ask", "--model-path", model, "--query", "hello", "--temperature", "0", *words)

    def test_a_packed_file_is_for_one_model_and_one_format(self):
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "w.packed")
            words = ("--packed-file", str(file))
            done = self.asked(*words, "--dtype", "q8_0")
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            kept, answer = file.read_bytes(), done.stdout
            self.assertEqual(self.asked(*words, "--dtype", "q8_0").stdout, answer)
            for dtype in ("q4_0", "q4_i8", "nf4", "q16_0"):
                done = self.asked(*words, "--dtype", dtype)
                self.assertEqual((done.returncode, done.stdout), (1, ""), dtype)
                self.assertEqual(done.stderr, f"llava: the packed file {file} holds weights as q8_0, expected {dtype}; "
                                              "choose --dtype q8_0, give another --packed-file, or remove it\n")
            for dtype in ("auto", "f32", "bf16"):
                done = self.asked(*words, "--dtype", dtype)
                self.assertEqual((done.returncode, done.stdout), (1, ""), dtype)
                self.assertIn(f"llava: the packed file {file} would hold nothing: the weights are ", done.stderr)
                self.assertIn("choose a --dtype such as q4_0, or leave --packed-file out", done.stderr)
            os.makedirs(f"{folder}/other")
            for part in pathlib.Path(TINY).iterdir():
                if part.is_file():
                    pathlib.Path(folder, "other", part.name).write_bytes(part.read_bytes())
            done = self.asked(*words, "--dtype", "q8_0", model=f"{folder}/other")
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"llava: {file} holds packed weights of another model, or of this one before its files "
                          "changed; give another name for the packed file, or remove it", done.stderr)
            self.assertEqual(file.read_bytes(), kept)
            # Half a file is one that was damaged, and is written again.
            file.write_bytes(kept[:len(kept) // 2])
            self.assertEqual(self.asked(*words, "--dtype", "q8_0").stdout, answer)
            self.assertEqual(file.read_bytes(), kept)
            self.assertEqual(self.asked(*words, "--dtype", "q8_0_a16").returncode, 0)  # the same format


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], *sys.argv[1 + len(PROGRAMS):]])
