# SPDX-License-Identifier: Apache-2.0
"""Tests `llava-serve controller` and `worker` when one of them dies, hangs or cannot write its log, and that a port
which is taken is found before anything is loaded.

    hostile_workers.py LLAVA_SERVE MODEL
"""
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import checks
from checks import check
from http_process import wait_until

PROGRAM, MODEL = sys.argv[1:3]
LONGEST = {"model": "llava-tiny", "prompt": "red", "temperature": 0, "max_new_tokens": 1024,
           "stop": "</s>", "images": []}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A program of LLaVA's protocol on a port of its own; its log goes to `log`. `{url}` in options: its address."""

    def __init__(self, name, *options, log=subprocess.DEVNULL):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = subprocess.Popen([PROGRAM, name, "--host", "127.0.0.1", "--port", str(self.port),
                                         *(o.replace("{url}", self.url) for o in options)], stdout=log, stderr=log)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def post(self, path, body=None, timeout=30):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request("POST", path, json.dumps(body) if body is not None else None)
            return json.loads(c.getresponse().read())
        finally:
            c.close()

    def answers(self):
        try:
            self.post("/list_models")
            return True
        except OSError:
            return False

    def stream(self, body):
        """Begins a request, and yields its records with the seconds that have passed."""
        start = time.monotonic()
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request("POST", "/worker_generate_stream", json.dumps(body))
        reply, rest = c.getresponse(), b""
        while piece := reply.read1(65536):
            *records, rest = (rest + piece).split(b"\0")
            for r in records:
                yield json.loads(r), time.monotonic() - start
        check(not rest, f"a record without its end: {rest!r}")
        c.close()

    def raw_stream(self, body):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        c.request("POST", "/worker_generate_stream", json.dumps(body))
        try:
            return c.getresponse().read()
        finally:
            c.close()


def controller(**more):
    made = Program("controller", **more)
    assert wait_until(made.answers, 10), "the controller does not answer"
    return made


def worker(of, **more):
    return Program("worker", "--worker-address", "{url}", "--controller-address", of.url, "--model-path", MODEL,
                   "--model-name", "llava-tiny", "--threads", "1", **more)


def models(of):
    return of.post("/list_models")["models"]


def has_worker(of):
    return wait_until(lambda: models(of) == ["llava-tiny"], 20)


def test_worker_dies():
    """A client gets an error record at once when its worker is killed, and after the worker's time when it hangs."""
    with controller() as c:
        for name, kill, most in (("killed", signal.SIGKILL, 1), ("stopped", signal.SIGSTOP, 7)):
            with worker(c) as w:
                check(has_worker(c), f"{name}: the worker does not register")
                records = c.stream(LONGEST)
                for _ in range(3):
                    record, _ = next(records)
                    check(record["error_code"] == 0, f"{name}: {record}")
                w.process.send_signal(kill)
                start, last = time.monotonic(), None
                for last, _ in records:
                    pass
                took = time.monotonic() - start
                print(f"a worker is {name}: its client knows after {took:.2f} s")
                check(last and last["error_code"] == 3 and "NETWORK ERROR" in last["text"], f"{name}: {last}")
                check(took < most, f"{name}: the client waited for {took:.1f} s")
                if kill == signal.SIGKILL:  # it is still in the table
                    again = [r for r, _ in c.stream(LONGEST)]
                    check([r["error_code"] for r in again] == [3], f"{name}: the next request got {again}")
                c.post("/refresh_all_workers")
                check(models(c) == [], f"{name}: it is still in the table")
                nobody = [r for r, _ in c.stream(LONGEST)]
                check([r["error_code"] for r in nobody] == [2, 3], f"{name}: without a worker {nobody}")
                if kill == signal.SIGSTOP:  # it comes back
                    w.process.send_signal(signal.SIGCONT)
                    c.post("/register_worker", {"worker_name": w.url, "check_heart_beat": True})
                    whole = [r for r, _ in c.stream({**LONGEST, "max_new_tokens": 5})]
                    check(whole and whole[-1]["error_code"] == 0, f"{name}: afterwards {whole[-1:]}")


class FakeWorker:
    """A worker that answers each request with pieces of bytes, 20 ms apart."""

    def __init__(self, of, pieces):
        self.pieces, self.listening = pieces, socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self.run, daemon=True).start()
        of.post("/register_worker", {"worker_name": self.url, "check_heart_beat": True, "worker_status": {
            "model_names": ["llava-tiny"], "speed": 1, "queue_length": 0}})

    def run(self):
        while True:
            try:
                s, _ = self.listening.accept()
                with s:
                    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    s.recv(65536)
                    for piece in self.pieces():
                        s.sendall(piece)
                        time.sleep(0.02)
            except OSError:
                if self.listening.fileno() < 0:
                    return


def test_strange_workers():
    """What a worker answers, and in which pieces, harms nobody."""
    head, record = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b'{"text": "a", "error_code": 0}\0'
    whole = b"%x\r\n%s\r\n" % (len(record), record)
    lines = b"X-A: " + b"a" * 1000 + b"\r\n"
    with controller() as c:
        for name, pieces, expected in (
                ("an empty body in pieces", [head, b"0\r\n", b"\r", b"\n"], []),
                ("an empty body in bytes", [head] + [bytes([b]) for b in b"0\r\n\r\n"], []),
                ("a record in pieces", [head, whole[:9], whole[9:], b"0\r", b"\n\r", b"\n"], [0]),
                ("no end", [head, whole], [0, 3]), ("nothing", [], [3]), ("another protocol", [b"SSH-2.0-x\r\n"], [3]),
                ("a chunk that is too large", [head, b"ffffffffffffffffff\r\n"], [3]),
                ("a negative length", [b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"], [3]),
                ("a redirect", [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"],
                 [3]),
                ("headers without end", [b"HTTP/1.1 200 OK\r\n"] + [lines] * 40, [3]),
                ("100 without end", [b"HTTP/1.1 100 Continue\r\n\r\n"] * 20, [3]),
                ("not UTF-8", [head, b"3\r\n\xff\xfe\0\r\n0\r\n\r\n"], None)):
            fake = FakeWorker(c, lambda pieces=pieces: pieces)
            found = c.raw_stream(LONGEST)
            if expected is not None:
                codes = [json.loads(r)["error_code"] for r in found.split(b"\0")[:-1]]
                check(codes == expected, f"{name}: expected {expected}, found {found[:300]!r}")
            fake.listening.close()
            c.post("/refresh_all_workers")
            check(c.process.poll() is None and models(c) == [], f"{name}: the controller is not well")


def test_controller_dies():
    """A worker goes on while its controller is away, and comes back by its heartbeats."""
    with controller() as c, worker(c) as w:
        check(has_worker(c), "the worker does not register")
        c.process.kill()
        c.process.wait()
        whole = [r for r, _ in w.stream({**LONGEST, "max_new_tokens": 5})]
        check(whole and whole[-1]["error_code"] == 0, f"without a controller: {whole[-1:]}")
        check(w.process.poll() is None, "the worker has ended with its controller")


def test_no_logs():
    """A full disk, and a pipe that nobody reads any more, lose log lines and nothing else."""
    def gone_pipe():
        read, write = os.pipe()
        os.close(read)
        return write
    for name, log in (("a full disk", os.open("/dev/full", os.O_WRONLY)), ("a broken pipe", gone_pipe())):
        with controller(log=log) as c, worker(c, log=log) as w:
            check(has_worker(c), f"{name}: the worker does not register")
            whole = [r for r, _ in c.stream({**LONGEST, "max_new_tokens": 5})]
            check(whole and whole[-1]["error_code"] == 0, f"{name}: {whole[-1:]}")
            c.post("/refresh_all_workers")
            for p in (w, c):
                p.process.send_signal(signal.SIGTERM)
                code = p.process.wait(10)
                check(code == 0, f"{name}: exit code {code}")
        with Program("serve", "--model-path", MODEL, "--threads", "1", log=log) as s:
            check(wait_until(lambda: is_ready(s), 20), f"{name}: serve does not answer")
            s.process.send_signal(signal.SIGTERM)
            check(s.process.wait(10) == 0, f"{name}: serve ends with an error")
        os.close(log)


def is_ready(s):
    try:
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=5)
        c.request("GET", "/health")
        return c.getresponse().status == 200
    except OSError:
        return False


def test_taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for words in (["worker", "--no-register", "--model-path", "/there/is/no/model"],
                      ["serve", "--model-path", MODEL], ["controller"], ["web", "--model-list-mode", "reload"]):
            done = subprocess.run([PROGRAM, *words, "--port", port], capture_output=True, text=True, timeout=60)
            said = done.stdout + done.stderr
            check(done.returncode == 1 and "cannot listen on" in said and f"port {port}" in said and
                  "is loaded" not in said, f"{words[0]} on a port that is taken: {done}")


if __name__ == "__main__":
    tests = (test_worker_dies, test_strange_workers, test_controller_dies, test_no_logs, test_taken_port)
    checks.run({test.__name__: test for test in tests})
    checks.finish()
