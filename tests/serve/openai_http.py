# SPDX-License-Identifier: Apache-2.0
"""Tests `llava-serve serve` with the bundled model, as its clients see it.

    openai_http.py LLAVA_SERVE MODEL
"""
import concurrent.futures
import json
import re
import signal
import sys
import tempfile
import time

from openai_cases import REFUSED, REPEATED, SENTENCES
from openai_server import LONG, Server, image_part, picture, request, text_of
from openai_structured import test_structured

Server.program, Server.model = sys.argv[1:3]


def test_answers(server):
    reply = server.chat()
    choice = reply["choices"][0]
    assert choice["message"] == {"role": "assistant", "content": "three", "refusal": None}, choice
    assert choice["finish_reason"] == "stop" and choice["logprobs"] is None
    assert reply["object"] == "chat.completion" and reply["model"] == "tiny" and reply["id"].startswith("chatcmpl-")
    usage = reply["usage"]
    assert usage["prompt_tokens"] == 93 and usage["completion_tokens"] == 2 and usage["total_tokens"] == 95, usage
    again = server.chat()
    assert again["usage"]["prompt_tokens_details"]["cached_tokens"] >= 80, again["usage"]
    assert again["id"] != reply["id"]
    # A conversation, with the image in its first turn.
    follow = request()["messages"] + [{"role": "assistant", "content": "three"},
                                      {"role": "user", "content": "Is there a star?"}]
    system = [{"role": "system", "content": "Answer briefly."}]
    assert server.chat(messages=follow)["choices"][0]["message"]["content"] in ("yes", "no")
    counted = server.post("/v1/chat/count_tokens", request(messages=system + follow))
    told = server.chat(messages=system + follow)["usage"]["prompt_tokens"]
    assert counted == (200, {"object": "token_count", "model": "tiny", "input_tokens": told, "image_tokens": 49,
                             "context": 2048}), counted
    assert server.chat(max_tokens=3, ignore_eos=True)["choices"][0]["finish_reason"] == "length"
    stopped = server.chat(stop=["re"])["choices"][0]
    assert (stopped["message"]["content"], stopped["finish_reason"]) in (("th", "stop"), ("three", "stop")), stopped


def test_empty_answer(server):
    """The message of an answer that ended at once can be sent back."""
    asked = request()["messages"]
    said = server.chat(stop=["three"])["choices"][0]["message"]
    assert said["content"] == "", said
    again = server.chat(messages=[*asked, said, {"role": "user", "content": "Is there a star?"}])
    assert again["choices"][0]["message"]["content"]


def test_marker_in_text(server):
    """`<image>` in a message without images is text, whatever the others have."""
    def counted(word, *urls):
        shown = [[image_part(u)] if u else [] for u in urls]
        talk = [("system", f"{word} is a word."), ("user", shown[0] + [{"type": "text", "text": "What is it?"}]),
                ("assistant", f"A{word}"), ("user", f"And{word} <img> {word}{word}?"), ("assistant", "no"),
                ("user", shown[1] + [{"type": "text", "text": "How many shapes are there?"}])]
        asked = {"messages": [{"role": r, "content": c} for r, c in talk]}
        status, reply = server.post("/v1/chat/count_tokens", request(**asked))
        assert status == 200, reply
        return reply["input_tokens"], reply["image_tokens"], asked

    one, other = picture(), picture("one-circle-one-star")
    for urls in ((one, other), (one, None), (None, one)):
        typed, of_images, asked = counted("<image>", *urls)
        others, as_many, _ = counted("<picture>", *urls)
        assert of_images == as_many == 49 * sum(map(bool, urls))
        # The images add the same to both texts, and without images <image> is text.
        assert typed - counted("<image>", None, None)[0] == others - counted("<picture>", None, None)[0]
        usage = server.chat(**asked, max_tokens=2, ignore_eos=True)["usage"]
        assert usage["prompt_tokens"] == typed, (usage, typed)
        usage = server.chat(**asked, max_tokens=2)["usage"]
        assert usage["prompt_tokens_details"]["cached_tokens"] >= typed - 16, usage
    # The image stands in its own message, not in the first.
    for url, answer in ((one, "three"), (other, "two")):
        talk = [{"role": "user", "content": "What is <image>?"}, {"role": "assistant", "content": "no"},
                {"role": "user", "content": [image_part(url), *request(image=False)["messages"][0]["content"]]}]
        assert server.chat(messages=talk, temperature=0)["choices"][0]["message"]["content"] == answer


def test_streams(server):
    for fields in ({}, {"max_tokens": 60, "ignore_eos": True}, {"image": False, "text": "Hello", "max_tokens": 30}):
        whole = server.chat(**fields)
        chunks = server.chunks(**fields, stream_options={"include_usage": True})
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert text_of(chunks) == whole["choices"][0]["message"]["content"], (chunks, whole)
        assert chunks[-2]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
        assert chunks[-1]["choices"] == [] and all(c["usage"] is None for c in chunks[:-1])
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            assert chunks[-1]["usage"][name] == whole["usage"][name]
        assert {c["object"] for c in chunks} == {"chat.completion.chunk"} and len({c["id"] for c in chunks}) == 1
    assert "usage" not in server.chunks()[0]


def test_logprobs(server):
    fields = {"logprobs": True, "top_logprobs": 3, "max_tokens": 20, "ignore_eos": True}
    whole = server.chat(**fields)["choices"][0]["logprobs"]["content"]
    assert len(whole) == 20
    for token in whole:
        assert len(token["top_logprobs"]) == 3 and token["logprob"] <= 0
        assert token["top_logprobs"][0]["logprob"] == token["logprob"]  # greedy
        assert token["bytes"] is None or bytes(token["bytes"]).decode(errors="replace") == token["token"]
    streamed = [t for c in server.chunks(**fields) if c["choices"][0]["logprobs"]
                for t in c["choices"][0]["logprobs"]["content"]]
    assert streamed == whole
    no_top = server.chat(logprobs=True)["choices"][0]["logprobs"]["content"]
    assert all(t["top_logprobs"] == [] for t in no_top)
    # A bias forbids the likeliest token.
    biased = server.chat(logit_bias={str(i): -100 for i in range(3, 700)}, max_tokens=2)
    assert biased["choices"][0]["message"]["content"] != "three"


def test_many_answers(server):
    fields = {"n": 4, "temperature": 5.0, "top_k": 0, "max_tokens": 24, "ignore_eos": True, "seed": 7}
    first = [c["message"]["content"] for c in server.chat(**fields)["choices"]]
    assert len(set(first)) > 1, first
    assert [c["message"]["content"] for c in server.chat(**fields)["choices"]] == first  # the seed decides
    chunks = server.chunks(**fields)
    assert [text_of(chunks, i) for i in range(4)] == first
    assert server.chat(**fields)["usage"]["completion_tokens"] == 4 * 24
    del fields["seed"]
    assert server.chat(**fields)["choices"] != server.chat(**fields)["choices"]


def test_together(server):
    questions = [(f"Is there a {colour} {shape}?", image) for colour in ("red", "blue", "green", "gray")
                 for shape in ("circle", "star", "triangle") for image in (True, False)]
    alone = [server.chat(text=q, image=i)["choices"] for q, i in questions]
    with concurrent.futures.ThreadPoolExecutor(24) as pool:
        together = list(pool.map(lambda q: server.chat(text=q[0], image=q[1])["choices"], questions * 2))
    assert together == alone * 2


def test_completions(server):
    body = {"model": "tiny", "prompt": "USER: What is", "max_tokens": 5, "logprobs": 2}
    status, reply = server.post("/v1/completions", body)
    assert status == 200 and reply["object"] == "text_completion", reply
    choice = reply["choices"][0]
    assert choice["finish_reason"] == "length"
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"] and logprobs["text_offset"][0] == 0
    for token, offset in zip(logprobs["tokens"], logprobs["text_offset"]):
        assert choice["text"][offset:].startswith(token)
    assert all(len(t) == 2 for t in logprobs["top_logprobs"])
    chunks = server.chunks("/v1/completions", prompt="USER: What is", max_tokens=5)
    assert "".join(c["choices"][0]["text"] for c in chunks) == choice["text"]


def test_refused(server):
    for fields, param in REFUSED:
        status, reply = server.post("/v1/chat/completions", request(**fields))
        error = reply["error"]
        assert status == 400 and error["param"] == param, (fields, status, reply)
        assert error["type"] == "invalid_request_error" and error["message"] and Server.model not in error["message"]
        assert "::" not in error["message"], error  # a name of C++
    path = "/v1/chat/completions"
    for fields, words in SENTENCES:
        assert words in server.post(path, request(**fields))[1]["error"]["message"], fields
    for body, param in REPEATED:
        status, text, _ = server.call("POST", path, body)
        error = json.loads(text)["error"]
        assert status == 400 and error["param"] == param and "is repeated in an object" in error["message"], error
    for body in ("", "[]", "{", "[" * 3000, "[" * 1_000_000, '{"a": ' * 100 + "1" + "}" * 100, '{"n": 1, "n": 2}',
                 '{"model": 1}', '{"n": 1e999}', '{"\xff": 1}'.encode("latin-1")):
        assert server.call("POST", path, body)[0] == 400, body[:40]
    assert server.post(path, request(model="other"))[0] == 404
    assert server.call("GET", "/v1/models/other")[0] == 404
    # Values that change nothing are accepted.
    neutral = {"n": 1, "tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "user": "me",
               "metadata": {"a": "b"}, "store": False, "service_tier": "auto", "parallel_tool_calls": True,
               "modalities": ["text"], "logit_bias": {}, "stop": None, "seed": None, "top_logprobs": 0}
    assert server.chat(**neutral)["choices"][0]["message"]["content"] == "three"
    assert server.post("/v1/completions", {"prompt": ["x"]})[1]["error"]["param"] == "prompt"
    assert server.post("/v1/completions", {"prompt": "x", "echo": True})[1]["error"]["param"] == "echo"


def test_disconnect(server):
    for stream in (True, False):
        dropped = server.metric("llava_requests_dropped_total")
        c = server.begin("POST", "/v1/chat/completions", request(**LONG, stream=stream))
        if stream:
            c.getresponse().read(200)
        else:
            while server.metric("llava_answers_running") == 0:
                time.sleep(0.002)
        c.sock.close() if c.sock else None
        c.close()
        print(f"stream {stream}: idle {1000 * server.wait_until_idle(2):.0f} ms after the client has gone")
        assert server.metric("llava_requests_dropped_total") == dropped + 1
    assert server.chat()["choices"][0]["message"]["content"] == "three"


def test_limits():
    with Server("--max-queue", "7", "--max-sequences", "1", "--api-key", "secret") as server:
        assert server.call("GET", "/health")[0] == 200
        assert server.call("GET", "/v1/models")[0] == 401
        key = {"Authorization": "Bearer secret"}
        c = server.begin("POST", "/v1/chat/completions", request(**LONG), **key)
        while 'llava_requests_total{model="tiny"} 1' not in server.call("GET", "/metrics", **key)[1]:
            time.sleep(0.002)
        status, text, headers = server.call("POST", "/v1/chat/completions", request(), **key)
        assert status == 503 and headers["Retry-After"] == "1" and "too many requests" in text, (status, text)
        # SIGTERM lets the running request end.
        server.process.send_signal(signal.SIGTERM)
        r = c.getresponse()
        reply = json.loads(r.read())
        assert r.status == 200 and len(reply["choices"]) == 8
        assert {x["finish_reason"] for x in reply["choices"]} == {"length"}
        assert server.process.wait(30) == 0
        assert server.process.stdout.read() == "llava: stopped\n"


def test_cache_folder():
    with tempfile.TemporaryDirectory() as folder:
        usages, texts = [], []
        for _ in range(2):
            with Server("--cache-folder", folder + "/cache") as server:
                reply = server.chat(temperature=0)
                usages.append(reply["usage"])
                texts.append(reply["choices"][0]["message"]["content"])
                reused = re.search(r"^llava_reused_images_total.* (\d+)$", server.call("GET", "/metrics")[1], re.M)[1]
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(30) == 0
        assert texts[0] == texts[1]
        assert usages[0]["prompt_tokens_details"]["cached_tokens"] == 0
        assert usages[1]["prompt_tokens_details"]["cached_tokens"] >= 16, usages
        assert reused == "1"


def main():
    with Server() as server:
        for test in (test_answers, test_empty_answer, test_marker_in_text, test_streams, test_logprobs,
                     test_many_answers, test_together, test_completions, test_structured, test_refused,
                     test_disconnect):
            test(server)
            print(f"{test.__name__} passed")
    for test in (test_limits, test_cache_folder):
        test()
        print(f"{test.__name__} passed")


main()
