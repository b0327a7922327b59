# SPDX-License-Identifier: Apache-2.0
"""Replays what real clients have asked (tests/run.sh --peers, tests/peers/run.py --record) to the programs of today:

    recorded_clients.py LLAVA_SERVE MODEL

openai_client.json  the request of OpenAI's client that the Python of docs/serving.md makes
web_page.json       the requests of LLaVA's web page to a worker, with images, and the bytes of the original worker
"""
import http.client
import json
import os
import pathlib
import re
import subprocess
import sys

PROGRAM, MODEL = sys.argv[1:3]
ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests" / "data" / "serve"


class Program:
    def __init__(self, *words, ready, pattern):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}
        self.process = subprocess.Popen([PROGRAM, *words, "--port", "0", "--threads", "2"], stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, env=environment)
        said = ""
        while not re.search(ready, said):
            line = self.process.stdout.readline()
            assert line, said
            said += line
        self.port = int(re.search(pattern, said)[1])

    def ask(self, method, path, headers, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        c.request(method, path, body.encode(), headers)
        reply = c.getresponse()
        assert reply.status == 200, reply.read()
        text = reply.read().decode()
        c.close()
        return text

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(40)
        self.process.stdout.close()


def test_openai_client():
    record = json.loads((DATA / "openai_client.json").read_text())
    (lines,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "serving.md").read_text(), re.S | re.M)
    assert lines == record["lines"], ("docs/serving.md has changed: record its request with "
                                      "tests/peers/run.py documents LLAVA_SERVE --record")
    with Program("serve", "--model-path", MODEL, ready="ready", pattern=r"listening on http://[\d.]+:(\d+)") as server:
        text = server.ask(record["method"], record["path"], record["headers"], record["body"])
    # What the program makes of the reply.
    events = [json.loads(e.removeprefix("data: ")) for e in text.split("\n\n")[:-2]]
    printed = "".join(e["choices"][0]["delta"].get("content") or "" for e in events)
    assert printed + "\n" == record["printed"], text
    print("docs/serving.md:", printed)


def test_web_page():
    asked = json.loads((DATA / "web_page.json").read_text())
    assert len(asked) == 6
    with Program("worker", "--no-register", "--model-path", MODEL, "--model-name", "llava-v1.5-tiny", ready="serves",
                 pattern=r"on port (\d+)") as worker:
        for one in asked:
            headers = {"User-Agent": one["agent"], "Content-Type": "application/json"}
            text = worker.ask("POST", "/worker_generate_stream", headers, one["body"])
            assert text == one["reply"], (one["body"][:400], text, one["reply"])
            print("the web page:", json.loads(text.split("\0")[-2])["text"][-40:])


test_openai_client()
test_web_page()
