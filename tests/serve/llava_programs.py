# SPDX-License-Identifier: Apache-2.0
"""Tests the programs of LLaVA's protocol with the bundled model: controller, worker, test-message, register-worker, and
a worker in front of `llava-serve serve`.

    llava_programs.py LLAVA_SERVE MODEL
"""
import base64
import contextlib
import http.client
import http.server
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request

PROGRAM, MODEL = sys.argv[1:3]
SYSTEM = ("A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, "
          "detailed, and polite answers to the user's questions.")
BUSY = "**NETWORK ERROR DUE TO HIGH TRAFFIC. PLEASE REGENERATE OR REFRESH THIS PAGE.**"
FULL = "Exceeds max token length. Please start a new conversation, thanks."


class Program:
    """A program that runs until the end of the `with`; `port` is the one that it says."""

    def __init__(self, *words, ready):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}
        self.process = subprocess.Popen([PROGRAM, *words, "--port", "0"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=environment)
        self.said, self.port = "", None
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"(?:listens|serves \S+) on port (\d+)|listening on http://[\d.]+:(\d+)", line):
                self.port = int(found[1] or found[2])
            if ready in line:
                break
        else:
            raise AssertionError(f"{words[0]} ended: {self.said}")
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            self.said += line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            assert self.process.wait(40) == 0, self.said
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


def controller():
    return Program("controller", ready="listens on port")


def worker(*options):
    return Program("worker", *options, ready="serves ")


def post(url, body=None):
    request = urllib.request.Request(url, json.dumps(body).encode() if body is not None else b"", method="POST")
    with urllib.request.urlopen(request, timeout=60) as reply:
        return reply.read()


def records(url, prompt, images=(), **fields):
    """The records of an answer, as bytes."""
    body = {"model": "llava-tiny", "prompt": prompt, "images": list(images), "temperature": 0, "stop": "</s>"}
    return post(url + "/worker_generate_stream", body | fields).split(b"\0")[:-1]


def answer(url, prompt, images=(), **fields):
    """The text that was added to the prompt."""
    last = json.loads(records(url, prompt, images, **fields)[-1])
    assert last["error_code"] == 0 and last["text"].startswith(prompt), last
    return last["text"][len(prompt):].strip()


def picture(name="three-shapes"):
    with open(os.path.join(MODEL, "images", name + ".png"), "rb") as file:
        return base64.b64encode(file.read()).decode()


def asking(*texts, system=SYSTEM):
    """A prompt of vicuna_v1, whose questions and answers take turns."""
    out = system + " "
    for i, text in enumerate(texts):
        out += f"USER: {text} " if i % 2 == 0 else f"ASSISTANT: {text}</s>"
    return out + "ASSISTANT:"


QUESTIONS = [  # prompts and the images in them
    (asking("<image>\nHow many shapes are there?"), [picture()]),
    (asking("<image>\nIs there a star?", "no", "Is there a red circle?"), [picture()]),
    (asking("<image>\nHow many shapes are there?", system="Answer briefly."), [picture()]),
    (asking("<image>\n<image>\nWhich image has more shapes?"), [picture(), picture()]),
    (asking("What is a triangle?"), []),
    ("USER: What is", []),  # no template's: /v1/completions
]


def test_programs():
    with controller() as c, worker("--controller", c.url, "--model-path", MODEL, "--model-name", "llava-tiny",
                                   "--threads", "2") as w:
        said = subprocess.run([PROGRAM, "test-message", "--controller", c.url, "--model-name", "llava-tiny",
                               "--message", "Hello there", "--max-new-tokens", "4"], capture_output=True, timeout=60)
        assert said.returncode == 0 and said.stderr == b"", said
        lines = said.stdout.decode().split("\n")
        assert lines[:2] == ["Models: ['llava-tiny']", f"worker_addr: http://localhost:{w.port}"], lines
        assert lines[2:-2] == f"{SYSTEM} USER: Hello there".split(" "), lines
        assert lines[-1] == "" and lines[-2].count("\r") >= 2, lines  # a last word for each token and the end
        name = {"model": "llava-tiny"}
        assert json.loads(post(c.url + "/get_worker_address", name)) == {"address": f"http://localhost:{w.port}"}
        prompt, images = QUESTIONS[0]
        direct = records(w.url, prompt, images)
        assert json.loads(direct[-1])["text"] == prompt + "three", direct
        assert records(c.url, prompt, images) == direct
        # The other model is the same worker, registered by hand under its other address.
        done = subprocess.run([PROGRAM, "register-worker", "--controller", c.url, "--worker", w.url], timeout=60)
        assert done.returncode == 0
        status = json.loads(post(c.url + "/worker_get_status"))
        assert status == {"model_names": ["llava-tiny"], "speed": 2, "queue_length": 0}, status
        return [answer(w.url, *q) for q in QUESTIONS]


class Backend(http.server.BaseHTTPRequestHandler):
    """A server with OpenAI's API that keeps what it is asked, and says `says` in pieces of `piece` bytes. It says
    nothing at all while `waits` is not set."""
    asked, says, status, piece, waits = [], "", 200, 1 << 20, threading.Event()

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.status)
        self.end_headers()
        self.waits.wait(20)
        said = self.says.encode()
        for i in range(0, len(said), self.piece):
            self.wfile.write(said[i:i + self.piece])

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"data": [{"id": "org/other-7b"}, {"id": "second"}]}')

    log_message = lambda *_: None


@contextlib.contextmanager
def fake_backend():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def event(**members):
    return "data: " + json.dumps({"choices": [members]}) + "\n\n"


def wait_for(holds, seconds=10):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def failed(found, said="", w=None):
    assert [json.loads(r) for r in found][-1] == {"text": BUSY, "error_code": 1}, found
    wait_for(lambda: w is None or said in w.said)


def test_backend_protocol():
    with fake_backend() as url, worker("--no-register", "--backend-url", url, "--backend-key", "secret",
                                       "--model-name", "llava-x") as w:
        assert "for org/other-7b" in w.said
        Backend.waits.set()
        assert json.loads(post(w.url + "/worker_get_status"))["model_names"] == ["llava-x"]
        told = event(delta={"role": "assistant", "content": ""}) + event(delta={"content": "Hé"})
        Backend.says = told + event(delta={"content": " you</s>"}, finish_reason="stop") + "data: [DONE]\n\n"
        prompt = asking("A <image>\nB\n<image>", "no", "C<image>", system="S")
        found = [json.loads(r)["text"] for r in records(w.url, prompt, [picture()] * 3, max_new_tokens=9)]
        assert found == [prompt + "Hé", prompt + "Hé you", prompt + "Hé you"], found
        part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + picture()}}
        text = lambda t: {"type": "text", "text": t}  # noqa: E731
        assert Backend.asked.pop() == ("/v1/chat/completions", "Bearer secret", {
            "model": "org/other-7b", "temperature": 0, "max_tokens": 9, "stream": True, "messages": [
                {"role": "system", "content": "S"},
                {"role": "user", "content": [text("A "), part, text("B"), part]},
                {"role": "assistant", "content": "no"}, {"role": "user", "content": [text("C"), part]}]})
        # A prompt that is no conversation; sampled.
        Backend.says = event(text="x", finish_reason="length") + "data: [DONE]\n\n"
        assert answer(w.url, "Once", temperature=0.5, top_p=0.75) == "x"
        assert Backend.asked.pop() == ("/v1/completions", "Bearer secret", {
            "model": "org/other-7b", "prompt": "Once", "temperature": 0.5, "top_p": 0.75, "max_tokens": 256,
            "stream": True})
        # Other ways to write events, a byte at a time.
        two = event(text="two") + "data: [DONE]\n\n"
        for Backend.says in (two.replace("\n", "\r\n"), two.replace("\n", "\r"), ": ping\n\n" + two,
                             two.replace("data: {", "event: x\ndata:{"), two.replace(": [{", ": [{\ndata: "),
                             two.replace('"choices"', '"error": null, "choices"')):
            Backend.piece = 1
            assert answer(w.url, "Once") == "two", Backend.says
        Backend.piece = 1 << 20
        # The other templates.
        for made, messages in [
                ("S###Human: Q###Assistant: A###Human: R###Assistant:", "SQAR"),
                ("<|im_start|>system\nS<|im_end|><|im_start|>user\nQ<|im_end|><|im_start|>assistant\n", "SQ"),
                ("<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n", "SQ"),
                ("[INST] <<SYS>>\nS\n<</SYS>>\n\nQ [/INST] A </s><s>[INST] R [/INST]", "SQAR"),
                ("[INST] Q [/INST] A </s>[INST] R [/INST]", "QAR"),
                ("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nS<|eot_id|>"
                 "<|start_header_id|>user<|end_header_id|>\n\nQ<|eot_id|>"
                 "<|start_header_id|>assistant<|end_header_id|>\n\n", "SQ"),
                ("USER: Q ASSISTANT: A</s>USER: R ASSISTANT:", "QAR")]:
            records(w.url, made)
            who = {"S": "system", "Q": "user", "A": "assistant", "R": "user"}
            assert Backend.asked.pop()[2]["messages"] == [{"role": who[m], "content": m} for m in messages], made
        # What fails.
        for said, why in [(told, "ended its answer too early"), ("{}", "ended its answer too early"),
                          ("data: {\n\n", "an event of the backend"),
                          (told + 'data: {"error": {"message": "out of luck"}}\n\n', "out of luck")]:
            Backend.says = said
            failed(records(w.url, prompt, [picture()] * 3), why, w)
        Backend.status, Backend.says = 400, '{"error": {"message": "no such thing"}}'
        failed(records(w.url, "Once"), "no such thing", w)
        Backend.says = '{"error": {"message": "too long", "code": "context_length_exceeded"}}'
        assert json.loads(records(w.url, "Once")[0]) == {"text": "Once" + FULL, "error_code": 0}
        failed(records(w.url, "<image> Once", [picture()]), "no template of LLaVA makes this prompt", w)
        failed(records(w.url, prompt, [picture()]), "for 1 images", w)
        failed(records(w.url, prompt, ["AAAA"] * 3), "no PNG, JPEG, GIF or WebP", w)
        Backend.status = 200
        # A client that goes away ends the request to a backend that is silent.
        Backend.waits.clear()
        length = lambda: json.loads(post(w.url + "/worker_get_status"))["queue_length"]  # noqa: E731
        begun = len(Backend.asked)
        c = http.client.HTTPConnection("127.0.0.1", w.port)
        c.request("POST", "/worker_generate_stream", json.dumps({"prompt": "Once", "stop": ""}))
        wait_for(lambda: len(Backend.asked) > begun and length() == 1)
        c.close()
        wait_for(lambda: length() == 0)
        Backend.waits.set()


def test_worker_options():
    for words, status, said in [
            (["--no-register"], 1, "needs --model-path or --backend-url"),
            (["--backend-url", "http://127.0.0.1:1", "--model-path", MODEL], None, "excludes"),
            (["--backend-url", "http://127.0.0.1:1", "--dtype", "int8"], None, "excludes"),
            (["--backend-model", "m", "--model-path", MODEL], None, "--backend-url"),
            (["--sgl-endpoint", "http://127.0.0.1:1"], 1, "cannot connect to http://127.0.0.1:1"),
            (["--backend-url", "localhost:8000"], None, "http://")]:
        done = subprocess.run([PROGRAM, "worker", "--port", "0", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode != 0 and status in (None, done.returncode) and said in done.stderr, (words, done)


def test_backend(expected):
    server = Program("serve", "--model-path", MODEL, "--model-name", "llava-tiny", "--threads", "2", ready="ready")
    with controller() as c, server, worker("--controller", c.url, "--backend-url", server.url + "/") as w:
        for question, text in zip(QUESTIONS, expected):
            assert answer(c.url, *question) == text, (question[0], text)
            assert answer(w.url, *question) == text
        long = asking("two " * 5000)
        assert json.loads(records(w.url, long)[-1]) == {"text": long + FULL, "error_code": 0}
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(40)
        failed(records(w.url, *QUESTIONS[0]), "cannot connect", w)
        failed(records(c.url, *QUESTIONS[0]))


def main():
    expected = test_programs()
    assert expected[0] == "three" and all(expected), expected
    print("the programs work together:", expected)
    test_backend_protocol()
    test_worker_options()
    test_backend(expected)
    print("a worker in front of another server answers alike")


main()
