# SPDX-License-Identifier: Apache-2.0
"""`llava-serve serve` as a process, and requests to it, for the tests of OpenAI's API."""
import base64
import http.client
import json
import os
import re
import time

from http_process import Process


def text_of(chunks, index=0):
    return "".join(c["choices"][0]["delta"].get("content", "")
                   for c in chunks if c["choices"] and c["choices"][0]["index"] == index)


class Server(Process):
    """The bundled model, served as `tiny`."""
    program = model = None  # set before the first server starts

    def __init__(self, *options, **more):
        environment = {k: v for k, v in os.environ.items() if k != "LLAVA_API_KEY"}
        super().__init__([self.program, "serve", "--model-path", self.model, "--port", "0", "--threads", "2", *options],
                         env=environment, **more)
        line = ""
        while "ready" not in line:
            line = self.process.stdout.readline()
            assert line, "the server ended"

    def begin(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        c.request(method, path, body if body is None or isinstance(body, (str, bytes)) else json.dumps(body), headers)
        return c

    def call(self, method, path, body=None, **headers):
        c = self.begin(method, path, body, **headers)
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return r.status, text, r.headers

    def post(self, path, body):
        status, text, _ = self.call("POST", path, body)
        return status, json.loads(text)

    def chat(self, **fields):
        status, reply = self.post("/v1/chat/completions", request(**fields))
        assert status == 200, reply
        return reply

    def chunks(self, path="/v1/chat/completions", **fields):
        body = request(**fields) if "prompt" not in fields else {"model": "tiny", **fields}
        status, text, headers = self.call("POST", path, {**body, "stream": True})
        assert status == 200, text
        assert headers["content-type"] == "text/event-stream"
        events = text.split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""], events[-2:]
        return [json.loads(e.removeprefix("data: ")) for e in events[:-2]]

    def metric(self, name):
        text = self.call("GET", "/metrics")[1]
        return float(re.search(rf'^{name}{{model="tiny"}} (.*)$', text, re.M)[1])

    def busy(self):
        return self.metric("llava_answers_running") + self.metric("llava_answers_waiting")

    def wait_until_idle(self, seconds):
        start = time.monotonic()
        while self.busy() or self.metric("llava_kv_blocks_used"):
            assert time.monotonic() - start < seconds, "answers still run"
            time.sleep(0.005)
        return time.monotonic() - start


def picture(name="three-shapes"):
    with open(os.path.join(Server.model, "images", name + ".png"), "rb") as file:
        return "data:image/png;base64," + base64.b64encode(file.read()).decode()


def image_part(url=None):
    return {"type": "image_url", "image_url": {"url": url or picture()}}


def request(text="How many shapes are there?", image=True, **fields):
    content = [{"type": "text", "text": text}] + ([image_part()] if image else [])
    return {"model": "tiny", "messages": [{"role": "user", "content": content}], **fields}


LONG = {"ignore_eos": True, "max_tokens": 1900, "n": 8}
