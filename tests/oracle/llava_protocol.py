#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Records exchanges with the original controller, worker and test_message (llava-torch 1.2.2.post1):

    llava_protocol.py PACKAGE OUT      PACKAGE: the folder `llava` of the wheel; OUT: tests/data/serve

It needs fastapi 0.109, uvicorn, requests, numpy 1 and Pillow, and no torch: the worker's own code runs, over stand-ins
for torch, transformers and the model, which say given pieces of text. What is recorded is bytes: each reply's status
and body. Ports become CONTROLLER and WORKER."""
import contextlib
import http.client
import http.server
import importlib
import io
import json
import pathlib
import socket
import sys
import threading
import time
import types

import uvicorn

PACKAGE, OUT = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
PIECES = []


def module(name, **members):
    made = types.ModuleType(name)
    made.__dict__.update(members)
    sys.modules[name] = made
    return made


class Ids:
    shape = (1, 9)
    unsqueeze = to = lambda self, *a, **k: self


class Model:
    device = "cpu"
    config = types.SimpleNamespace(max_position_embeddings=100, mm_use_im_start_end=False)
    get_vision_tower = lambda self: types.SimpleNamespace(num_patches=16)
    generate = lambda self, **k: None


class Images:
    to = lambda self, *a, **k: self


def stand_ins():
    module("llava").__path__ = [str(PACKAGE)]
    torch = module("torch", float16=None, inference_mode=lambda: lambda f: f,
                   cuda=types.SimpleNamespace(CudaError=type("CudaError", (Exception,), {})))
    torch.Tensor = torch.LongTensor = torch.FloatTensor = object
    module("transformers", StoppingCriteria=object, TextIteratorStreamer=lambda *a, **k: iter(list(PIECES)))
    module("llava.model").__path__ = []
    module("llava.model.builder", load_pretrained_model=lambda *a, **k: (None, Model(), None, 100))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def serve(app, port):
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        time.sleep(0.02)


def post(port, path, body, named={}):
    for name, address in named.items():
        body = body.replace(name, address)
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    c.request("POST", path, body.encode(), {"Content-Type": "application/json"} if body else {})
    r = c.getresponse()
    reply = r.read().decode()
    for name, address in named.items():
        reply = reply.replace(address, name)
    return dict(status=r.status, type=r.getheader("Content-Type"), reply=reply)


def of_controller():
    from llava.serve import controller as program

    runs = []
    A, B, C = ("http://127.0.0.1:%d" % n for n in (1, 2, 3))  # nobody listens there

    def worker(name, models, speed=1, length=0, check=True):
        return "/register_worker", json.dumps(dict(worker_name=name, check_heart_beat=check, worker_status=dict(
            model_names=models, speed=speed, queue_length=length)))

    ask = lambda model: ("/get_worker_address", json.dumps(dict(model=model)))
    beat = lambda name, n: ("/receive_heart_beat", json.dumps(dict(worker_name=name, queue_length=n)))
    empty = lambda path: (path, "")
    generate = lambda model: ("/worker_generate_stream", json.dumps(dict(model=model, prompt="Hi", stop="</s>")))
    for method, steps in [
        ("shortest_queue", [
            empty("/list_models"), ask("m"), empty("/worker_get_status"), generate("m"),
            worker(A, ["m"]), empty("/list_models"), ask("m"), ask("other"), beat(A, 4), beat(B, 4), worker(B, ["m"]),
            ask("m"), ask("m"), ask("m"), ask("m"), ask("m"), ask("m"), ask("m"), beat(B, 0), ask("m"),
            worker(C, ["n", "\u00e9\U0001f600\"\\"], 0.5, 1), ask("n"), ask("\u00e9\U0001f600\"\\"), worker(A, ["m"],
                4, 9),
            ask("m"), ask("m"), ask("m"), generate("m"), empty("/worker_get_status"),
            ("/register_worker", json.dumps(dict(worker_name="http://127.0.0.1:4", check_heart_beat=False,
                                                 worker_status=None))), ask("m"),
            empty("/refresh_all_workers"), empty("/list_models"), ask("m"), beat(A, 0)]),
        ("lottery", [ask("m"), worker(A, ["m"], 0), ask("m"), worker(B, ["m"], 1), ask("m"), ask("m"), ask("n")])]:
        program.controller = program.Controller(method)
        port = free_port()
        serve(program.app, port)
        runs.append(dict(dispatch=method, steps=[dict(path=p, body=b, **post(port, p, b)) for p, b in steps]))
    # a live worker
    class Live(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = b'{"model_names":["m"],"speed":2,"queue_length":3}'
            if self.path == "/worker_generate_stream":
                reply = b'{"text": "a", "error_code": 0}\0\0{"text": "ab", "error_code": 0}\0rest'
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        log_message = lambda *a: None

    live = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Live)
    threading.Thread(target=live.serve_forever, daemon=True).start()
    program.controller = program.Controller("shortest_queue")
    port = free_port()
    serve(program.app, port)
    named = {"WORKER": "http://127.0.0.1:%d" % live.server_port}
    steps = [("/register_worker", json.dumps(dict(worker_name="WORKER", check_heart_beat=True, worker_status=None))),
             empty("/list_models"), ask("m"), worker(A, ["dead"]), empty("/worker_get_status"), generate("m"),
                 generate("dead"),
             empty("/refresh_all_workers"), empty("/list_models"), ask("dead"), ask("m")]
    runs.append(dict(dispatch="shortest_queue", steps=[dict(path=p, body=b, **post(port, p, b, named)) for p,
        b in steps]))
    return runs


class Recorder(http.server.BaseHTTPRequestHandler):
    """A controller that writes down what it is asked. It knows the worker after its second registration."""
    seen = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.seen.append(dict(path=self.path, body=body, agent=self.headers.get("User-Agent")))
        registered = sum(s["path"] == "/register_worker" for s in self.seen)
        reply = json.dumps(dict(exist=registered > 1) if self.path == "/receive_heart_beat" else None).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    log_message = lambda *a: None


def of_worker():
    stdout, stderr = sys.stdout, sys.stderr
    from llava.serve import model_worker as program

    recorder = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder)
    threading.Thread(target=recorder.serve_forever, daemon=True).start()
    program.tokenizer_image_token = lambda *a, **k: Ids()
    program.KeywordsStoppingCriteria = lambda *a: None
    program.process_images = lambda images, *a: Images()
    program.args = types.SimpleNamespace(limit_model_concurrency=5)
    port = free_port()
    address = "http://127.0.0.1:%d" % port
    program.worker = program.ModelWorker("http://127.0.0.1:%d" % recorder.server_port, address, "abcdef", False,
                                         "llava-v1.5-t\u00e9", None, None, False, False, "cpu")
    serve(program.app, port)
    steps = [dict(path="/worker_get_status", body="", pieces=[], **post(port, "/worker_get_status", ""))]

    def picture():
        from PIL import Image
        import base64
        out = io.BytesIO()
        Image.new("RGB", (4, 4), "red").save(out, "PNG")
        return base64.b64encode(out.getvalue()).decode()

    P = "A USER: hi ASSISTANT:"
    for pieces, request in [
        (["", "Hello ", "", "world", ""], dict(prompt=P, stop="</s>")),
        (["\u00e9\u4f60\U0001f600 ", "\"q\"\\\n\t\r\b\f\x00\x1f\x7f", "\u2028", ""], dict(prompt=P, stop="</s>")),
        (["a ###", "", "b", "###", ""], dict(prompt=P, stop="###")),
        (["a #", "##", "##", "#", "###"], dict(prompt=P, stop="###", temperature=0.0, top_p=0.7, max_new_tokens=5)),
        (["x"], dict(prompt="ends with the stop ", stop=" ")),
        (["one ", "two"], dict(prompt=P, stop=" ")),
        (["x"], dict(prompt=P)),
        (["x"], dict(prompt=P, stop=None)),
        (["x"], dict(stop="</s>")),
        (["x"], dict(prompt=P, stop="</s>", temperature="0.5", top_p="1", max_new_tokens="12")),
        (["x"], dict(prompt=P, stop="</s>", max_new_tokens=12.9, temperature=True)),
        (["x"], dict(prompt=P, stop="</s>", temperature="warm")),
        (["x"], dict(prompt=P, stop="</s>", temperature=None)),
        (["x"], dict(prompt=P, stop="</s>", max_new_tokens="1.5")),
        (["x"], dict(prompt=P, stop="</s>", max_new_tokens=0)),
        (["x"], dict(prompt=P, stop="</s>", max_new_tokens=-4)),
        (["x"], dict(prompt=P, stop="</s>", images=[])),
        (["x"], dict(prompt="<image>" + P, stop="</s>", images=[picture()])),
        (["x"], dict(prompt="<image><image>" + P, stop="</s>", images=[picture()])),
        (["x"], dict(prompt=P, stop="</s>", images=[picture()])),
        (["x"], dict(prompt="<image>" + P, stop="</s>", images=["bm90IGFuIGltYWdl"])),
        (["x"], dict(prompt="<image>" * 6 + P, stop="</s>", images=[picture()] * 6)),
        (["x"], [1]),
        (["x"], "text"),
    ]:
        PIECES[:] = pieces
        body = json.dumps(request)
        steps.append(dict(path="/worker_generate_stream", body=body, pieces=pieces,
                          **post(port, "/worker_generate_stream", body)))
        steps.append(dict(path="/worker_get_status", body="", pieces=[], **post(port, "/worker_get_status", "")))
    time.sleep(0.3)
    to_controller = [dict(s, body=s["body"].replace(address, "WORKER")) for s in Recorder.seen[:8]]
    sys.stdout, sys.stderr = stdout, stderr
    return dict(model="llava-v1.5-t\u00e9", context=100, prompt_ids=9, patches=16, steps=steps,
        to_controller=to_controller)


def of_test_message():
    """test_message and register_worker against servers of fixed replies."""
    asked = []
    runs = []

    class Both(http.server.BaseHTTPRequestHandler):
        models, address, text = [], "", ""

        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked.append(dict(path=self.path, body=body, agent=self.headers.get("User-Agent")))
            reply = {"/list_models": json.dumps(dict(models=self.models), separators=(",", ":")),
                     "/get_worker_address": json.dumps(dict(address=self.address), separators=(",",
                         ":"))}.get(self.path, "null")
            if self.path == "/worker_generate_stream":
                reply = self.text
            self.send_response(200)
            self.send_header("Content-Length", str(len(reply.encode())))
            self.end_headers()
            self.wfile.write(reply.encode())

        log_message = lambda *a: None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Both)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    here = "http://127.0.0.1:%d" % server.server_port
    program = importlib.import_module("llava.serve.test_message")
    records = "".join(json.dumps(dict(text="P USER: x " + t, error_code=0)) + "\0" for t in ["", "Once ",
        "Once up\u00e9n"])
    defaults = dict(controller_address=here, worker_address=None, model_name="m", max_new_tokens=32,
                    message="Tell me a story with more than 1000 words.")
    for models, address, changed in [
        (["zz", "m", "it's", "\u00e9\n"], here, {}), (["m"], "", {}), ([], here, dict(message="Hi \"\u00e9\"",
            max_new_tokens=4)),
        ([], "", dict(worker_address=here))]:
        Both.models, Both.address, Both.text = models, address, records
        asked.clear()
        options = dict(defaults, **changed)
        program.args = types.SimpleNamespace(**options)
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            program.main()
        text = lambda s: s.replace(here, "SERVER")
        runs.append(dict(options={k: text(v) if isinstance(v, str) else v for k, v in options.items()}, models=models,
                         address=text(address), records=records, printed=text(out.getvalue()),
                         asked=[dict(a, body=text(a["body"])) for a in asked]))
    return runs


stand_ins()
terminal = sys.stdout, sys.stderr
OUT = OUT.resolve()
OUT.mkdir(parents=True, exist_ok=True)
for name, record in [("test_message", of_test_message), ("controller", of_controller), ("worker", of_worker)]:
    text = json.dumps(record(), indent=1) + "\n"
    (OUT / (name + ".json")).write_text(text)
    sys.stdout, sys.stderr = terminal
    print(name, len(text), "bytes")
sys.stdout.flush()
import os

os._exit(0)  # the programs' threads never end
