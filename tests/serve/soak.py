# SPDX-License-Identifier: Apache-2.0
"""Asks `llava-serve serve` many mixed requests from several clients at one time: memory and descriptors stay flat, and
every answer is the one that the same request got alone (R13).

    soak.py [--requests N] [--pictures P] [--clients C] [--build build/release | --program LLAVA_SERVE]

First each distinct request is asked alone: one for each of P pictures, and some of text. Their answers are recorded.
Then the clients ask N requests on connections that they keep: these, streamed and whole, and between them requests
that are not valid, and some whose client leaves. The run fails if an answer differs, if memory has grown by more than
1 % since the first tenth, or if a descriptor is left open. Runs of less than 20,000 requests may grow by 2 MiB, while
each thread's heap gets its size.
"""
import argparse
import base64
import collections
import hashlib
import http.client
import json
import pathlib
import random
import sys
import threading
import time

from drawn import shapes
from openai_server import Server

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
QUESTIONS = ("How many shapes are there?", "What color is the shape?", "Is there a red triangle?",
             "Describe the image.", "Is there a blue rectangle?", "Are there more triangles than rectangles?",
             "What shapes are there?")
TEXTS = ("Hello", "What is a triangle?", "USER: What is red?", "The shapes are", "One, two,", "a")

INVALID = [  # path, body, status
    (CHAT, "{", 400), (CHAT, "[" * 3000, 400), (CHAT, '{"messages": []}', 400),
    (CHAT, '{"messages": [{"role": "user", "content": "x"}], "n": 9}', 400), ("/v1/none", "{}", 404),
    (CHAT, '{"model": "other", "messages": [{"role": "user", "content": "x"}]}', 404),
    (CHAT, '{"messages": [{"role": "user", "content": "x"}], "foo": 1}', 400),
    (CHAT, '{"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": '
           '{"url": "data:image/png;base64,AAAA"}}]}]}', 400),
    (TEXT, '{"prompt": "' + "a " * 5000 + '"}', 400),
]


def picture_part(number):
    return {"type": "image_url",
            "image_url": {"url": "data:image/png;base64," + base64.b64encode(shapes(number)).decode()}}


def picture_request(number, pictures):
    """The request about picture `number`: what it asks, and how, depends on the number."""
    text = {"type": "text", "text": QUESTIONS[number % len(QUESTIONS)]}
    kind = number % 8
    content = [text, picture_part(number)]
    if kind == 1:
        content.append(picture_part((number + 1) % pictures))
    turns = [{"role": "user", "content": content}]
    more = {"max_tokens": 24}
    if kind == 2:
        turns += [{"role": "assistant", "content": "two"}, {"role": "user", "content": "What colors are they?"}]
    elif kind == 3:
        more = {"n": 3, "max_tokens": 8, "ignore_eos": True}
    elif kind == 4:
        more = {"stop": ["e", "o"], "max_tokens": 24}
    elif kind == 5:
        more = {"logprobs": True, "top_logprobs": 3, "max_tokens": 6}
    elif kind == 6:
        more = {"temperature": 1.0, "seed": number, "max_tokens": 12, "n": 2}
    return CHAT, {"messages": turns, **more}


def text_requests():
    for i, text in enumerate(TEXTS):
        yield TEXT, {"prompt": text, "max_tokens": 16, "ignore_eos": True}
        yield TEXT, {"prompt": text, "max_tokens": 8, "logprobs": 2, "stop": ["the"]}
        yield CHAT, {"messages": [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": text}],
                     "max_tokens": 16, "repetition_penalty": 1.2, "logit_bias": {str(i + 300): 2}}


def digest(value):
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()


def whole_answer(body):
    """What an answer says: its choices, and its numbers of tokens."""
    reply = json.loads(body)
    choices = [(c["message"]["content"] if "message" in c else c["text"], c["finish_reason"],
                (c["logprobs"] or {}).get("content", c["logprobs"])) for c in reply["choices"]]
    return choices, reply["usage"]["prompt_tokens"], reply["usage"]["completion_tokens"]


def streamed_answer(body):
    """The same from a stream's events."""
    events = body.decode().split("\n\n")
    if events[-2:] != ["data: [DONE]", ""]:
        raise ValueError(f"a stream without its end: {body[-300:]!r}")
    texts, ends, logprobs, usage = collections.defaultdict(str), {}, {}, None
    for event in events[:-2]:
        chunk = json.loads(event.removeprefix("data: "))
        usage = chunk["usage"] or usage
        for c in chunk["choices"]:
            i = c["index"]
            texts[i] += c["text"] if "text" in c else c["delta"].get("content") or ""
            ends[i] = c["finish_reason"] or ends.get(i)
            if told := c.get("logprobs"):
                if "content" in told:
                    logprobs[i] = logprobs.get(i, []) + told["content"]
                else:
                    for key, values in told.items():
                        logprobs.setdefault(i, {}).setdefault(key, []).extend(values)
    return ([(texts[i], ends[i], logprobs.get(i)) for i in sorted(texts)], usage["prompt_tokens"],
            usage["completion_tokens"])


class Client(threading.Thread):
    """Takes numbers of requests until there are none, and asks each on one connection that it keeps."""

    def __init__(self, run, number):
        super().__init__(daemon=True)
        self.run_, self.connection, self.random = run, None, random.Random(number)

    def ask(self, path, body):
        for attempt in (1, 2):
            if self.connection is None:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.run_.server.port, timeout=120)
            try:
                self.connection.request("POST", path, body)
                reply = self.connection.getresponse()
                return reply.status, reply.read()
            except (http.client.RemoteDisconnected, ConnectionError):
                self.connection.close()  # it was idle for too long
                self.connection = None
                if attempt == 2:
                    raise

    def one(self, number):
        run, drawn = self.run_, self.random.random()
        if drawn < 0.03:
            path, body, expected = INVALID[number % len(INVALID)]
            status, answer = self.ask(path, body)
            if status != expected or "error" not in json.loads(answer):
                raise ValueError(f"expected {expected}, found {status} {answer[:200]!r} for {body[:80]}")
            return "refused"
        case = self.random.randrange(len(run.cases)) if drawn < 0.9 else number % len(run.cases)
        path, body, _ = run.cases[case]
        streams = self.random.random() < 0.5
        sent = body[:-1] + ', "stream": true, "stream_options": {"include_usage": true}}' if streams else body
        if drawn < 0.06:
            gone = http.client.HTTPConnection("127.0.0.1", run.server.port, timeout=120)
            gone.request("POST", path, sent)
            time.sleep(self.random.random() * 0.02)
            gone.close()
            return "left"
        status, answer = self.ask(path, sent)
        if status != 200:
            raise ValueError(f"{status} {answer[:300]!r}")
        found = streamed_answer(answer) if streams else whole_answer(answer)
        if digest(found) != run.expected[case]:
            raise ValueError(f"case {case} got another answer: {found}")
        return "streamed" if streams else "whole"

    def run(self):
        while (number := self.run_.next_number()) is not None:
            try:
                self.run_.count(self.one(number))
            except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException) as e:
                self.run_.count("wrong")
                self.run_.wrong.append(f"request {number}: {type(e).__name__} {e}")
        if self.connection:
            self.connection.close()


class Run:
    def __init__(self, server, options):
        self.server, self.total = server, options.requests
        requests = [picture_request(i, options.pictures) for i in range(options.pictures)] + list(text_requests())
        self.cases = [(path, json.dumps(body), number) for number, (path, body) in enumerate(requests)]
        self.expected, self.wrong = [], []
        self.lock, self.given, self.counts = threading.Lock(), 0, collections.Counter()
        self.marks = []  # memory and descriptors after each tenth

    def record(self):
        alone = Client(self, 0)
        for path, body, _ in self.cases:
            status, answer = alone.ask(path, body)
            assert status == 200, (status, answer, body[:200])
            self.expected.append(digest(whole_answer(answer)))
        alone.connection.close()

    def next_number(self):
        with self.lock:
            if self.given == self.total:
                return None
            if self.given * 10 % self.total < 10 and len(self.marks) <= self.given * 10 // self.total:
                self.marks.append((self.server.resident(), self.server.descriptors()))
                if self.total >= 10_000:
                    print(f"{self.given} requests, {self.marks[-1][0]:.1f} MiB, {self.marks[-1][1]} descriptors, "
                          f"{len(self.wrong)} wrong", flush=True)
            self.given += 1
            return self.given - 1

    def count(self, outcome):
        with self.lock:
            self.counts[outcome] += 1


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--requests", type=int, default=2000)
    options.add_argument("--pictures", type=int, default=300)
    options.add_argument("--clients", type=int, default=6)
    options.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release")
    options.add_argument("--program", type=pathlib.Path, help="llava-serve; default: the one in the build folder")
    options.add_argument("--sanitized", action="store_true", help="do not check memory")
    o = options.parse_args()
    Server.program, Server.model = str(o.program or o.build / "llava-serve"), str(ROOT / "examples" / "tiny")
    with Server() as server:
        run = Run(server, o)
        start = time.monotonic()
        run.record()
        alone = time.monotonic() - start
        server.call("GET", "/health")
        before = server.descriptors()
        start = time.monotonic()
        clients = [Client(run, i) for i in range(1, o.clients + 1)]
        for c in clients:
            c.start()
        for c in clients:
            c.join()
        took = time.monotonic() - start
        server.wait_until_idle(5)
        for _ in range(100):
            if server.descriptors() <= before:
                break
            time.sleep(0.02)
        memory, left = server.resident(), server.descriptors() - before
        tenth = run.marks[1][0] if len(run.marks) > 1 else memory
        grown = 100 * (memory / tenth - 1)
        dropped, steps = (int(server.metric(f"llava_{m}_total")) for m in ("requests_dropped", "steps"))
    counts = ", ".join(f"{n} {what}" for what, n in sorted(run.counts.items()))
    print(f"{len(run.cases)} distinct requests alone: {len(run.cases) / alone:.0f} requests/s")
    print(f"{o.requests} requests of {o.clients} clients: {o.requests / took:.0f} requests/s ({counts}); "
          f"{dropped} dropped, {steps} steps")
    print(f"memory: {tenth:.2f} MiB after the first tenth, {memory:.2f} MiB at the end, {grown:+.2f} %; "
          f"{left} descriptors left, {max(d for _, d in run.marks) - before} more in use at most")
    if grown > 1 and (o.requests >= 20_000 or memory - tenth > 2) and not o.sanitized:
        run.wrong.append(f"memory has grown by {grown:.2f} %")
    if left > 0:
        run.wrong.append(f"{left} descriptors were left open")
    print("\n".join(run.wrong[:20] + [f"{len(run.wrong)} wrong"]))
    sys.exit(1 if run.wrong or sum(run.counts.values()) != o.requests else 0)


if __name__ == "__main__":
    main()
