# SPDX-License-Identifier: Apache-2.0
"""`llava chat` for chat.py: in a terminal, over pipes, and as a partner that speaks JSON."""
import base64
import json
import pathlib
import subprocess
import sys

from terminal import Terminal

PROGRAM, LINES, FETCHES = sys.argv[1:4]
TINY = "examples/tiny"
IMAGE, OTHER = f"{TINY}/images/three-shapes.png", f"{TINY}/images/tall.jpg"
GREEDY = ("--model-path", TINY, "--temperature", "0", "--threads", "2")
# An answer of 920 tokens at random, and one that takes a second at least.
RANDOM = ("--model-path", TINY, "--temperature", "100", "--top-k", "0", "--max-new-tokens", "100000", "--seed", "4")
PROMPT = "\nUSER: "  # begins a line; libedit writes it again where it draws a line anew
LONG = (*RANDOM, "--backend", "scalar", "--dtype", "f32", "--threads", "1")


def data_url(file):
    kind = "png" if file.endswith("png") else "jpeg"
    return f"data:image/{kind};base64," + base64.b64encode(pathlib.Path(file).read_bytes()).decode()


def chat(*options, **environment):
    return Terminal([PROGRAM, "chat", *GREEDY, *options], **environment)


def piped(lines, *options, words=GREEDY, code=0):
    done = subprocess.run([PROGRAM, "chat", *words, *options], input=lines, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    return done


def asked(*requests, words=GREEDY, options=()):
    """Returns the replies of `llava chat --json`."""
    lines = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in requests)
    return [json.loads(r) for r in piped(lines, "--json", *options, words=words).stdout.splitlines()]
