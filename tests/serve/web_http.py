# SPDX-License-Identifier: Apache-2.0
"""Tests `llava-serve web`: the page's server for models behind a controller; with ours, and with one that is played
here, so that each byte that is sent is seen.

    web_http.py LLAVA_SERVE MODEL
"""
import http.client
import http.server
import json
import pathlib
import subprocess
import tempfile
import threading
import time

from page_programs import MODEL, PAGE, PROGRAM, Program, example, question, run, serve

WEB = {"line": r"listens on http://.*:(\d+)$", "stream": "stderr"}
VOTE = {"type": "upvote", "model": "llava-v1.5-tiny", "messages": [["user", "x"], ["assistant", "y"]]}


def chunks_of(text):
    events = text.decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""], events[-3:]
    return [json.loads(e.removeprefix("data: ")) for e in events[:-2]]


def test_controller():
    def log(name):
        return {"line": rf"{name} \| .*port (\d+)$", "stream": "stderr"}

    with tempfile.TemporaryDirectory() as folder, Program("controller", **log("controller")) as controller:
        url = f"http://127.0.0.1:{controller.port}"

        def web(*options):
            return Program("web", "--controller", url, "--log-folder", folder, *options, **WEB)

        with web("--model-list-mode", "once") as server:
            assert json.loads(server.call("GET", "/v1/models")[1])["data"] == []
        with Program("worker", "--model-path", MODEL, "--model-name", "llava-v1.5-tiny", "--no-register",
                     **log("model_worker")) as worker, \
                web("--model-list-mode", "reload", "--conv-mode", "vicuna_v1") as server:
            assert json.loads(server.call("GET", "/v1/models")[1])["data"] == []
            address = f"http://127.0.0.1:{worker.port}"
            done = subprocess.run([PROGRAM, "register-worker", "--controller", url, "--worker-name", address],
                                  capture_output=True, text=True)
            assert done.returncode == 0, done
            (model,) = json.loads(server.call("GET", "/v1/models")[1])["data"]
            assert model["id"] == "llava-v1.5-tiny" and model["modalities"] == ["text", "image"]
            assert server.call("GET", "/")[1] == (PAGE / "index.html").read_bytes()
            assert json.loads(server.call("GET", "/page/settings")[1])["usage"] is False
            ask = {**question(), "model": "llava-v1.5-tiny"}
            status, reply = server.post("/v1/chat/completions", ask)
            assert status == 200 and reply["choices"][0]["message"]["content"] == "three", reply
            assert reply["choices"][0]["finish_reason"] == "stop" and "usage" not in reply
            # A longer answer, in a conversation, equals that of `serve` with the same template.
            talk = {**ask, "max_tokens": 24, "messages": ask["messages"] + [
                {"role": "assistant", "content": "three"}, {"role": "user", "content": "Describe the picture."}]}
            with serve("--conv-mode", "vicuna_v1") as direct:
                expected = direct.post("/v1/chat/completions", {**talk, "model": "tiny"})[1]["choices"][0]
            assert server.post("/v1/chat/completions", talk)[1]["choices"][0]["message"] == expected["message"]
            chunks = chunks_of(server.call("POST", "/v1/chat/completions", {**talk, "stream": True})[1])
            said = "".join(c["choices"][0]["delta"].get("content", "") for c in chunks)
            assert said == expected["message"]["content"]
            assert chunks[0]["choices"][0]["delta"]["role"] == "assistant" and len({c["id"] for c in chunks}) == 1
            assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
            short = {**talk, "max_tokens": 1, "stream": True}
            assert chunks_of(server.call("POST", "/v1/chat/completions", short)[1])[-1]["choices"][0][
                "finish_reason"] == "length"
            for fields, param in (({"n": 2}, "n"), ({"stream_options": {"include_usage": True}}, "stream_options"),
                                  ({"temperature": -1}, "temperature"), ({"model": None}, "model"),
                                  ({"messages": []}, "messages"),
                                  ({"messages": talk["messages"] + [{"role": "assistant", "content": "An <image>."}, {
                                      "role": "user", "content": "Is it?"}]}, "messages[3].content")):
                status, reply = server.post("/v1/chat/completions", {**ask, **fields})
                assert status == 400 and reply["error"]["param"] == param, (fields, reply)
            bad = {**ask, "messages": [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}
            status, reply = server.post("/v1/chat/completions", bad)  # only the worker decodes it
            assert status == 502 and reply["error"]["message"].endswith(" (error_code: 1)"), reply
            status, reply = server.post("/v1/chat/completions", {**ask, "model": "llava-other"})
            assert status == 503 and reply["error"]["message"].startswith("**NETWORK ERROR"), reply
            assert server.post("/page/record", VOTE) == (200, {"saved": True})
            (line,) = next(pathlib.Path(folder).glob("*.json")).read_text().splitlines()
            assert json.loads(line)["state"]["roles"] == ["USER", "ASSISTANT"]
            worker.process.kill()
            worker.process.wait()
            status, reply = server.post("/v1/chat/completions", ask)
            assert status == 502 and reply["error"]["code"] == "worker_failed", reply
            assert address not in json.dumps(reply)
    done = subprocess.run([PROGRAM, "web", "--controller", url, "--port", "0"], capture_output=True, text=True)
    assert done.returncode == 1 and "cannot connect to" in done.stderr, done


class Played:
    """A controller and a worker. `records`: what the worker says next: (text behind the prompt, error_code), or bytes.
    """

    def __init__(self, models):
        self.records, self.address, self.asked, self.headers, self.gone = [], None, None, None, threading.Event()
        self.pause = 0
        played = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/worker_generate_stream":
                    return self.stream(json.loads(body))
                if self.headers["Authorization"] != "Bearer of-controller":
                    return self.send_error(401)
                replies = {"/refresh_all_workers": None, "/list_models": {"models": models},
                           "/get_worker_address": {"address": played.address}}
                self.say(json.dumps(replies[self.path]).encode())

            def say(self, body):
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def stream(self, asked):
                played.asked, played.headers = asked, self.headers
                self.say(b"")
                try:
                    for record in played.records:
                        if not isinstance(record, bytes):
                            told = {"text": asked["prompt"] * (record[1] == 0) + record[0], "error_code": record[1]}
                            record = json.dumps(told).encode() + b"\0"
                        self.wfile.write(record)
                        time.sleep(played.pause)
                except (BrokenPipeError, ConnectionResetError):
                    played.gone.set()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


S_H = ("A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, "
       "detailed, and polite answers to the human's questions.")
S_U = S_H.replace("human", "user")
S_LV = ("You are a helpful language and vision assistant. You are able to understand the visual content that the user "
        "provides, and assist the user with a variety of tasks using natural language.")
S_MM = ("A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand "
        "the visual content that the user provides, and assist the user with a variety of tasks using natural "
        "language.The visual content will be provided with the following format: <Image>visual content</Image>.")
PROMPTS = {  # of LLaVA's web server: the prompt of a picture and the question Q1, and what ends an answer
    "llava-v1.5-7b": (f"{S_H} USER: <image>\nQ1 ASSISTANT:", "</s>"),
    "LLaVA-Lightning-7B": (f"{S_H}###Human: <image>\nQ1###Assistant:", "###"),
    "llava-llama-2-13b-chat": (f"[INST] <<SYS>>\n{S_LV}\n<</SYS>>\n\n<image>\nQ1 [/INST]", "</s>"),
    "llava-v1.6-mistral-7b": ("[INST] <image>\nQ1 [/INST]", "</s>"),
    "llava-v1.6-34b": ("<|im_start|>system\nAnswer the questions.<|im_end|><|im_start|>user\n<image>\nQ1<|im_end|>"
                       "<|im_start|>assistant\n", "<|im_end|>"),
    "llava-v1-7b-mmtag": (f"{S_MM} USER: <Image><image></Image> ASSISTANT: Received.</s>USER: Q1 ASSISTANT:", "</s>"),
    "vicuna-13b": (f"{S_U} USER: <image>\nQ1 ASSISTANT:", "</s>"),
}


def test_protocol():
    played = Played(["llava-v1.5-7b", "koala-13b", "alpaca", "vicuna-13b"])
    words = [PROGRAM, "web", "--controller-url", played.url, "--port", "0"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1 and "status 401; it needs its API key" in done.stderr, done
    options = ("--controller", played.url, "--key-of-controller", "of-controller", "--api-key", "mine")
    with Program("web", *options, **WEB) as server:
        key = {"Authorization": "Bearer mine"}

        def ask(stream, **fields):
            body = {**question("Q1"), "model": "llava-v1.5-7b", "stream": stream, **fields}
            status, text, _ = server.call("POST", "/v1/chat/completions", body, **key)
            return status, text if stream and status == 200 else json.loads(text)

        assert server.call("GET", "/v1/models")[0] == server.call("POST", "/v1/chat/completions", {})[0] == 401
        listed = json.loads(server.call("GET", "/v1/models", **key)[1])["data"]
        assert [m["id"] for m in listed] == ["vicuna-13b", "koala-13b", "alpaca", "llava-v1.5-7b"]
        assert [m["modalities"] for m in listed[2:]] == [["text"], ["text", "image"]]
        played.records = [(" fine", 0)]
        for model, (prompt, stop) in PROMPTS.items():
            status, reply = ask(False, model=model, temperature=0.5, top_p=0.25, max_tokens=9)
            assert status == 200 and reply["choices"][0]["message"]["content"] == "fine", reply
            expected = {"model": model, "prompt": prompt, "temperature": 0.5, "top_p": 0.25, "max_new_tokens": 9,
                        "stop": stop, "images": [example().split(",")[1]]}
            assert played.asked == expected, played.asked
            assert played.headers["User-Agent"] == "LLaVA Client" and "Authorization" not in played.headers
        ask(False, max_tokens=5000)
        assert played.asked["max_new_tokens"] == 1536
        for model in ("llava-mistral-orca", "mpt-7b-chat"):
            status, reply = ask(False, model=model)
            assert status == 400 and reply["error"]["param"] == "model", reply
        # What a worker says, piece by piece, and what is told of it.
        for said, pieces in (
                (["", " A", " A cat ", " A cat <", " A cat </s", " A cat"], ["A", " cat"]),
                (["a <", "a < b", "a < b <", "a < b <"], ["a", " < b", " <"]),
                (["", " "], []), (["\u00e9", "\u00e9\n", "\u00e9\n\U0001f600 "], ["\u00e9", "\n\U0001f600"])):
            played.records = [(text, 0) for text in said]
            chunks = chunks_of(ask(True)[1])
            told = [c["choices"][0]["delta"].get("content", "") for c in chunks]
            assert [t for t in told if t] == pieces, (said, told)
            assert [c["choices"][0]["finish_reason"] for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
            assert ask(False)[1]["choices"][0]["message"]["content"] == "".join(pieces)
        # Failures at the start, and in the middle of a stream.
        for bad in ([("sorry", 1)], [b"no json\0"], [b'{"text": 1, "error_code": 0}\0'],
                    [b'{"text": "x", "error_code": 0}\0'], [b'{"text": "'], [b"[" * 100_000 + b"\0"]):
            played.records = bad
            for stream in (False, True):
                status, reply = ask(stream)
                assert status == 502 and reply["error"]["code"] == "worker_failed", (bad, reply)
            assert bad != [("sorry", 1)] or reply["error"]["message"] == "sorry (error_code: 1)"
            played.records = [("well", 0), *bad]
            events = ask(True)[1].decode().split("\n\n")
            assert "error" in json.loads(events[-2].removeprefix("data: ")) and "[DONE]" not in events[-2], events
            assert ask(False)[0] == 502
        # A client that goes ends the worker's answer.
        played.records, played.pause = [("x" * n, 0) for n in range(1, 400)], 0.05
        c = http.client.HTTPConnection("127.0.0.1", server.port)
        body = json.dumps({**question("Q1"), "model": "alpaca", "stream": True})
        c.request("POST", "/v1/chat/completions", body, key)
        r = c.getresponse()
        assert r.status == 200 and r.read(10)
        r.close(), c.close()
        assert played.gone.wait(3)
        played.address = ""
        status, reply = ask(False)
        assert status == 503 and reply["error"]["code"] == "no_worker", reply
        played.address = None
        for stream in (False, True):  # it answers, but not as a controller does
            status, reply = ask(stream)
            assert status == 502 and reply["error"]["code"] == "no_controller", reply
        played.server.shutdown()
        played.server.server_close()
        for stream in (False, True):
            status, reply = ask(stream)
            assert status == 502 and reply["error"]["code"] == "no_controller", reply


if __name__ == "__main__":
    run([test_controller, test_protocol])
