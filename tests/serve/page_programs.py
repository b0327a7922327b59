# SPDX-License-Identifier: Apache-2.0
"""`llava-serve` as a process, and what is sent to it, for page_http.py and web_http.py."""
import base64
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

PROGRAM, MODEL = sys.argv[1:3]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "include/llava/serve/page"
ENVIRONMENT = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}


class Program:
    """`llava-serve NAME OPTIONS --port 0`, whose port is on the line that matches `line`, of `stream`."""

    def __init__(self, *words, line=r":(\d+)$", stream="stdout", ready=None, **more):
        self.errors = tempfile.TemporaryFile("w+")
        self.output = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([PROGRAM, *words, "--port", "0"], stdout=self.output, stderr=self.errors,
                                        env=ENVIRONMENT, **more)
        self.stream = stream
        self.port = int(self.wait_for(line)[1])
        if ready:
            self.wait_for(ready)

    def text(self, stream):
        file = self.errors if stream == "stderr" else self.output
        return os.pread(file.fileno(), 1 << 20, 0).decode()

    def wait_for(self, pattern):
        for _ in range(6000):
            if found := re.search(pattern, self.text(self.stream), re.M):
                return found
            assert self.process.poll() is None, self.text("stderr")
            time.sleep(0.02)
        raise AssertionError(f"no line {pattern}: {self.text(self.stream)}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.errors.close(), self.output.close()

    def call(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        body = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        read = r.read()
        c.close()
        return r.status, read, r.headers

    def post(self, path, body, **headers):
        status, read, _ = self.call("POST", path, body, **headers)
        return status, json.loads(read)


def serve(*options, **more):
    return Program("serve", "--model-path", MODEL, "--model-name", "tiny", "--threads", "2", *options,
                   ready=r"^llava: ready$", **more)


def data_url(file):
    return "data:image/png;base64," + base64.b64encode(file).decode()


def example():
    return data_url(pathlib.Path(MODEL, "images/three-shapes.png").read_bytes())


def question(text="How many shapes are there?", image=True, **fields):
    content = [{"type": "image_url", "image_url": {"url": example()}}] if image else []
    return {"model": "tiny", "messages": [{"role": "user", "content": content + [{"type": "text", "text": text}]}],
            "temperature": 0, **fields}


def run(tests):
    for test in tests:
        start = time.monotonic()
        test()
        print(f"{test.__name__}: {time.monotonic() - start:.1f} s")
