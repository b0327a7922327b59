# SPDX-License-Identifier: Apache-2.0
"""Tests the HTTP server over raw sockets: hostile requests, slow clients, clients that are gone, drains (R8, R11, R20).

    http_sockets.py PROGRAM [--long]   PROGRAM: tests/serve/http_test_server.cpp, compiled; --long: 60 s of slow clients
"""
import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time

K = 1024
GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n"
POST = b"POST /echo HTTP/1.1\r\nHost: 127.0.0.1\r\n"
END = b"Connection: close\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"

# What is sent, and the status of the answer, or a tuple of statuses for several answers on one connection.
REFUSED = [
    # request lines
    ("HTTP/0.9", b"GET /health\r\n\r\n", 400),
    ("no version", b"GET /health \r\nHost: a\r\n\r\n", 400),
    ("HTTP/1.2", b"GET /health HTTP/1.2\r\nHost: 127.0.0.1\r\n\r\n", 505),
    ("HTTP/2.0", b"GET /health HTTP/2.0\r\nHost: 127.0.0.1\r\n\r\n", 505),
    ("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("http/1.1 in lower case", b"GET /health http/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("HTTP/1.10", b"GET /health HTTP/1.10\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("two spaces", b"GET  /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a tab for a space", b"GET\t/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a space in front", b" GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a space in the target", b"GET /hea lth HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a bare LF", b"GET /health HTTP/1.1\nHost: 127.0.0.1\n\n", 400),
    ("a bare CR", b"GET /health HTTP/1.1\rHost: 127.0.0.1\r\r", 400),
    ("a hello of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ("a method that is no token", b"G@T /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an unknown method", b"BREW /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 501),
    ("CONNECT", b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", 501),
    ("TRACE", b"TRACE /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 501),
    ("a method in lower case", b"get /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 501),
    ("a line of 9 KiB", b"GET /" + b"a" * 9 * K + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
    ("a line of 9 KiB without an end", b"GET /" + b"a" * 9 * K, 414),
    ("a method of 9 KiB", b"A" * 9 * K, 414),
    # targets
    ("an absolute target", b"GET http://127.0.0.1/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an asterisk", b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a target without /", b"GET health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a fragment", b"GET /health#x HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("half an escape", b"GET /health%4 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an escape that is not hex", b"GET /health%zz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an escaped NUL", b"GET /health%00 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an escaped line end", b"GET /models/a%0d%0ab HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a NUL in the target", b"GET /hea\0lth HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("bytes above ASCII in the target", b"GET /\xc3\xa9 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a parent folder", b"GET /models/../health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("an escaped parent folder", b"GET /models/%2e%2e/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a parent folder behind an escaped slash", b"GET /models/a%2f..%2fb HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    # headers
    ("a folded header", GET + b"X-A: 1\r\n  2\r\n\r\n", 400),
    ("a folded header, first", b"GET /health HTTP/1.1\r\n X: 1\r\nHost: 127.0.0.1\r\n\r\n", 400),
    ("a space before the colon", GET + b"X-A : 1\r\n\r\n", 400),
    ("no colon", GET + b"X-A\r\n\r\n", 400),
    ("no name", GET + b": 1\r\n\r\n", 400),
    ("a name that is no token", GET + b"X(A): 1\r\n\r\n", 400),
    ("a NUL in a name", GET + b"X\0A: 1\r\n\r\n", 400),
    ("a NUL in a value", GET + b"X-A: 1\0\r\n\r\n", 400),
    ("a bare CR in a value", GET + b"X-A: 1\r2\r\n\r\n", 400),
    ("a bare LF in a value", GET + b"X-A: 1\nX-B: 2\r\n\r\n", 400),
    ("a vertical tab in a value", GET + b"X-A: \x0b1\r\n\r\n", 400),
    ("a DEL in a value", GET + b"X-A: \x7f\r\n\r\n", 400),
    ("101 headers", GET + b"".join(b"X-%d: 1\r\n" % i for i in range(100)) + b"\r\n", 431),
    ("a header of 9 KiB", GET + b"X-A: " + b"a" * 9 * K + b"\r\n\r\n", 431),
    ("a header of 9 KiB without an end", GET + b"X-A: " + b"a" * 9 * K, 431),
    ("40 KiB of headers", GET + b"".join(b"X-%d: " % i + b"a" * 4 * K + b"\r\n" for i in range(10)) + b"\r\n", 431),
    ("no Host", b"GET /health HTTP/1.1\r\n\r\n", 400),
    ("two Hosts", GET + b"Host: 127.0.0.1\r\n\r\n", 400),
    ("an empty Host", b"GET /health HTTP/1.1\r\nHost:\r\n\r\n", 400),
    ("a Host with a path", b"GET /health HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("a Host with a user", b"GET /health HTTP/1.1\r\nHost: a@b\r\n\r\n", 400),
    ("two Hosts in one", b"GET /health HTTP/1.1\r\nHost: 127.0.0.1, b\r\n\r\n", 400),
    ("a foreign Host (DNS rebinding)", b"GET /health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
    ("a page of another origin", GET + END + b"Origin: http://evil.example\r\n\r\n", 403),
    ("a page without an origin", GET + END + b"Origin: null\r\n\r\n", 403),
    ("two Origins", GET + b"Origin: http://127.0.0.1\r\nOrigin: http://evil.example\r\n\r\n", 400),
    ("two Authorizations", GET + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n", 400),
    ("a preflight, with CORS off", b"OPTIONS /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\n"
     b"Connection: close\r\nAccess-Control-Request-Method: POST\r\n\r\n", 403),
    # framing
    ("a length and an encoding", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("an encoding and a length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc", 400),
    ("two equal lengths", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nab", 400),
    ("a list of lengths", POST + b"Content-Length: 2, 2\r\n\r\nab", 400),
    ("a negative length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("a length with a plus", POST + b"Content-Length: +2\r\n\r\nab", 400),
    ("a hexadecimal length", POST + b"Content-Length: 0x2\r\n\r\nab", 400),
    ("a length with a fraction", POST + b"Content-Length: 2.0\r\n\r\nab", 400),
    ("an empty length", POST + b"Content-Length:\r\n\r\n", 400),
    ("a length of 33 MiB", POST + b"Content-Length: 34603008\r\n\r\n", 413),
    ("a length of 2^64", POST + b"Content-Length: 18446744073709551616\r\n\r\n", 413),
    ("a length of 2^64 and more", POST + b"Content-Length: 18446744073709551620\r\n\r\nabcd", 413),
    ("two encodings", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 501),
    ("gzip and chunked", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
    ("identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 501),
    ("xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 501),
    ("chunked with a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked, space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400),
    ("chunked in HTTP/1.0", b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    ("a compressed body", POST + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", 415),
    ("an unknown expectation", POST + b"Expect: 200-ok\r\nContent-Length: 2\r\n\r\nab", 417),
    # chunks
    ("a chunk size that is not hex", CHUNKED + b"g\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk size with 0x", CHUNKED + b"0x3\r\nabc\r\n0\r\n\r\n", 400),
    ("a negative chunk size", CHUNKED + b"-3\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk size with a plus", CHUNKED + b"+3\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk size behind a space", CHUNKED + b" 3\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk size with an underscore", CHUNKED + b"1_0\r\nabc\r\n0\r\n\r\n", 400),
    ("no chunk size", CHUNKED + b"\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk size of 2^64", CHUNKED + b"10000000000000000\r\nabc\r\n0\r\n\r\n", 400),
    ("a chunk of 33 MiB", CHUNKED + b"2100000\r\nabc", 413),
    ("a chunk line that ends with LF", CHUNKED + b"3\nabc\r\n0\r\n\r\n", 400),
    ("a chunk that is longer than its size", CHUNKED + b"3\r\nabcd\r\n0\r\n\r\n", 400),
    ("a chunk that ends with LF", CHUNKED + b"3\r\nabc\n0\r\n\r\n", 400),
    ("a bad extension of a chunk", CHUNKED + b"3;=\r\nabc\r\n0\r\n\r\n", 400),
    ("a bare CR in an extension", CHUNKED + b"3;a\rb\r\nabc\r\n0\r\n\r\n", 400),
    ("an extension of 5 KiB without an end", CHUNKED + b"3;" + b"a" * 5 * K, 400),
    ("a length among the trailers", CHUNKED + b"3\r\nabc\r\n0\r\nContent-Length: 3\r\n\r\n", 400),
    ("trailers of 5 KiB without an end", CHUNKED + b"0\r\nX: " + b"a" * 5 * K, 400),
    # routes
    ("an unknown path", b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 404),
    ("a wrong method", b"DELETE /echo HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 405),
    ("a handler that throws", b"GET /throw HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 500),
    ("a handler that does not answer", b"GET /lost HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 500),
    ("a reply with a bad header", b"GET /split HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", 500),
]
ANSWERED = [
    ("a plain request", GET + END + b"\r\n", (200,)),
    ("HTTP/1.0 without Host", b"GET /health HTTP/1.0\r\n\r\n", (200,)),
    ("HEAD", b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n" + END + b"\r\n", (200,)),
    ("a Host with a port", b"GET /health HTTP/1.1\r\nHost: [::1]:80\r\n" + END + b"\r\n", (200,)),
    ("the page of this server", GET + b"Origin: http://127.0.0.1\r\n" + END + b"\r\n", (200,)),
    ("100 headers", GET + END + b"".join(b"X-%d: 1\r\n" % i for i in range(98)) + b"\r\n", (200,)),
    ("a line of 8 KiB",
     b"GET /models/" + b"a" * (8 * K - 21) + b" HTTP/1.1\r\nHost: localhost\r\n" + END + b"\r\n", (200,)),
    ("an empty line in front", b"\r\n" + GET + END + b"\r\n", (200,)),
    ("two at once", GET + b"\r\n" + GET + END + b"\r\n", (200, 200)),
    ("a body and another request", POST + b"Content-Length: 3\r\n\r\nabc" + GET + END + b"\r\n", (200, 200)),
    ("chunks, an extension, a trailer", CHUNKED + b"3;a=b;c=\"d\"\r\nabc\r\n2\r\nde\r\n0\r\nX-Sent: 1\r\n\r\n"
     + GET + END + b"\r\n", (200, 200)),
    ("an error and another request",
     b"GET /nothing HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" + GET + END + b"\r\n", (404, 200)),
    ("an escaped model name", b"GET /models/a%2Fb HTTP/1.1\r\nHost: 127.0.0.1\r\n" + END + b"\r\n", (200,)),
    ("100-continue", POST + END + b"Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", (100,)),
    ("identity", POST + END + b"Content-Encoding: identity\r\nContent-Length: 2\r\n\r\nab", (200,)),
]


class Server:
    def __init__(self, *options):
        self.process = subprocess.Popen([program, *options], stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def connect(self, timeout=10):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def ask(self, sent):
        """Sends bytes and returns all that comes back until the server closes."""
        with self.connect() as s:
            try:
                s.sendall(sent)
            except (ConnectionResetError, BrokenPipeError):
                pass  # refused before all of it was read
            return read_all(s)

    def get(self, path, more=""):
        return self.ask(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{more}\r\n".encode())

    def stats(self):
        for _ in range(100):
            if statuses(answer := self.get("/stats")) == (200,):
                break
            time.sleep(0.02)  # all places are taken
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])

    def resident(self):
        """The memory in use, in MiB."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def read_all(s):
    out = b""
    try:
        while piece := s.recv(65536):
            out += piece
    except (ConnectionResetError, TimeoutError):
        pass
    return out


def statuses(answer):
    """The statuses of all answers in `answer`, whose bodies have a Content-Length or are absent."""
    found = []
    while answer.startswith(b"HTTP/1.1 "):
        head, _, rest = answer.partition(b"\r\n\r\n")
        found.append(int(head[9:12]))
        lengths = [int(h.split(b":")[1]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")]
        answer = rest[sum(lengths):]
    return tuple(found)


def wait_until(holds, seconds=5.0):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.005)
    return False


def check(condition, sentence):
    global checks
    checks += 1
    if not condition:
        wrong.append(sentence)


def test_table():
    with Server() as server:
        for name, sent, expected in REFUSED:
            start = time.monotonic()
            answer = server.ask(sent)
            took = time.monotonic() - start
            check(statuses(answer)[-1:] == (expected,), f"{name}: expected {expected}, found {answer[:300]!r}")
            check(took < 3.5, f"{name}: answered after {took:.1f} s")
            body = answer.split(b"\r\n\r\n", 1)[-1]
            try:
                said = json.loads(body)["error"]
                is_of_openai = set(said) == {"message", "type", "param", "code"} and said["code"] and said["message"]
            except (ValueError, KeyError, TypeError):
                is_of_openai = False
            check(is_of_openai, f"{name}: the body is not an error in OpenAI's shape: {body[:300]!r}")
            check(b"secret" not in answer and b"0x" not in answer and b"Set-Cookie" not in answer,
                  f"{name}: the answer tells what it must not: {answer!r}")
        for name, sent, expected in ANSWERED:
            with server.connect() as s:
                s.sendall(sent)
                if expected == (100,):
                    first = s.recv(1000)
                    check(first == b"HTTP/1.1 100 Continue\r\n\r\n", f"{name}: found {first!r}")
                    s.sendall(b"abc")
                    check(read_all(s).endswith(b"\r\n\r\nabc"), f"{name}: no answer after the body")
                    continue
                answer = read_all(s)
            check(sent.startswith(b"HEAD") or statuses(answer) == expected,
                  f"{name}: expected {expected}, found {answer[:300]!r}")
        answer = server.ask(b"HEAD /health HTTP/1.1\r\nHost: localhost\r\n" + END + b"\r\n")
        check(answer.endswith(b"\r\n\r\n") and b"Content-Length: 2\r\n" in answer, f"HEAD: found {answer!r}")
        answer = server.ask(CHUNKED + b"3\r\nabc\r\n2;x\r\nde\r\n0\r\nX-Sent: 1\r\n\r\n" + GET + END + b"\r\n")
        check(b"\r\n\r\nabcde" in answer and b"X-Tail: -" in answer, f"a trailer became a header: {answer!r}")
        answer = server.get("/models/a%2Fb%20c?x=1")
        check(answer.endswith(b"\r\n\r\na/b c"), f"the tail of a path: {answer!r}")
        answer = server.get("/records")
        check(b"\r\n\r\ne\r\n" + b'{"text": "a"}\0' + b"\r\nf\r\n" + b'{"text": "ab"}\0' + b"\r\n0\r\n\r\n" in answer,
              f"records: {answer!r}")
        answer = server.get("/half")
        check(b"half" in answer and not answer.endswith(b"0\r\n\r\n"), f"a stream without an end: {answer!r}")
        answer = server.ask(b"GET /records HTTP/1.0\r\n\r\n")
        check(answer.endswith(b'\r\n\r\n{"text": "a"}\0{"text": "ab"}\0'), f"a stream in HTTP/1.0: {answer!r}")
        answer = server.ask(b"DELETE /echo HTTP/1.1\r\nHost: localhost\r\n" + END + b"\r\n")
        check(b"\r\nAllow: POST\r\n" in answer, f"405: {answer!r}")
        big = os.urandom(20 << 20)
        answer = server.ask(POST + END + b"Content-Length: %d\r\n\r\n" % len(big) + big)
        check(answer.endswith(b"\r\n\r\n" + big), f"a body of 20 MiB: {len(answer)} bytes came back")
        for piece in range(1, 40, 7):  # a request in pieces of every size
            sent = CHUNKED + b"3;a=b\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n" + GET + END + b"\r\n"
            with server.connect() as s:
                for at in range(0, len(sent), piece):
                    s.sendall(sent[at:at + piece])
                    time.sleep(0.001)
                check(statuses(read_all(s)) == (200, 200), f"a request in pieces of {piece} bytes")


def test_keys():
    with Server("--key", "first-key", "--key", "second", "--origin", "https://page.example") as server:
        for header, expected in [
                ("", 401), ("Authorization: Bearer first-key\r\n", 404), ("authorization: bearer  second\r\n", 404),
                ("Authorization: Bearer first-ke\r\n", 401), ("Authorization: Bearer first-keyy\r\n", 401),
                ("Authorization: Bearer \r\n", 401), ("Authorization: Basic first-key\r\n", 401),
                ("Authorization: first-key\r\n", 401), ("Authorization: Bearer first-key second\r\n", 401),
                ("X-Api-Key: first-key\r\n", 401)]:
            answer = server.get("/nothing", header)
            check(statuses(answer) == (expected,), f"{header!r}: expected {expected}, found {answer[:200]!r}")
            check(expected != 401 or b"\r\nWWW-Authenticate: Bearer\r\n" in answer, f"{header!r}: {answer!r}")
        check(statuses(server.get("/health")) == (200,), "an open route needs no key")
        check(statuses(server.get("/records")) == (401,), "a route that is not open needs a key")
        # The body of a request without a key is not waited for.
        start = time.monotonic()
        answer = server.ask(POST + b"Content-Length: 1000000\r\n\r\n")
        check(statuses(answer) == (401,) and time.monotonic() - start < 3.5, f"no key, a body: {answer[:200]!r}")
        allowed = "Origin: https://page.example\r\n"
        answer = server.get("/health", allowed)
        check(b"\r\nAccess-Control-Allow-Origin: https://page.example\r\n" in answer, f"an allowed origin: {answer!r}")
        answer = server.ask(b"OPTIONS /echo HTTP/1.1\r\nHost: localhost\r\nAccess-Control-Request-Method: POST\r\n"
                            + allowed.encode() + END + b"\r\n")
        check(statuses(answer) == (204,) and b"Access-Control-Allow-Headers: Authorization" in answer,
              f"a preflight: {answer!r}")
        check(statuses(server.get("/health", "Origin: https://other.example\r\n")) == (403,), "another origin")


def test_times():
    """Slow heads and bodies are refused at their limits; all cases run at one time."""
    cases = [("an idle connection", b"", None, 5), ("half a head", GET, 408, 5),
             ("half a body", POST + b"Content-Length: 100\r\n\r\nabc", 408, 5)]
    with Server() as server:
        sockets = [(server.connect(timeout=20), case) for case in cases]
        start = time.monotonic()
        for s, (_, sent, _, _) in sockets:
            s.sendall(sent)
        with server.connect(timeout=20) as dribble:  # a header a second keeps nothing open
            dribble.sendall(GET)
            threading.Thread(target=send_slowly, args=(dribble, b"X-A: b\r\n", 0.5, 10), daemon=True).start()
            answer = read_all(dribble)
            took = time.monotonic() - start
            check(statuses(answer) == (408,) and 4.5 < took < 8.5, f"a dribbled head: {took:.1f} s, {answer[:100]!r}")
        for s, (name, _, status, seconds) in sockets:
            answer = read_all(s)
            s.close()
            check(statuses(answer) == ((status,) if status else ()), f"{name}: {answer[:200]!r}")


def send_slowly(s, piece, pause, times):
    try:
        for _ in range(times):
            time.sleep(pause)
            s.sendall(piece)
    except OSError:
        pass


def test_connections(seconds):
    """256 requests in work are kept, the next clients get 503; 500 slow clients do not keep others out."""
    with Server() as server:
        holding = []
        for _ in range(256):
            s = server.connect()
            s.sendall(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            holding.append(s)
        time.sleep(0.5)
        for i in range(5):
            answer = server.get("/health")
            check(statuses(answer) == (503,) and b"\r\nRetry-After: " in answer, f"client {257 + i}: {answer[:200]!r}")
        holding.pop().close()
        check(wait_until(lambda: statuses(server.get("/health")) == (200,)), "a place was not given back")
        check(server.stats()["held"] == 255, "a running request was given up")
        check(statuses(server.get("/release")) == (200,), "release")
        for s in holding:
            s.settimeout(5)
            check(s.recv(9) == b"HTTP/1.1 ", "a held request was not answered")
            s.close()

        before = server.descriptors()
        slow = [server.connect() for _ in range(500)]
        for i, s in enumerate(slow):
            try:
                s.sendall([b"", b"GET", GET, POST + b"Content-Length: 9\r\n\r\na"][i % 4])
            except OSError:
                pass
        stop, most, refused, times = threading.Event(), [0], [0], []

        def keep_slow():
            """Reconnects whoever was closed, and adds a byte to the others, each every 2 s or so."""
            while not stop.is_set():
                for i, s in enumerate(slow):
                    if stop.wait(0.004):
                        return
                    try:
                        s.setblocking(False)
                        try:
                            closed = s.recv(4096)
                            if closed:
                                refused[0] += closed.startswith(b"HTTP/1.1 503")
                            s.close()
                            slow[i] = server.connect()
                            slow[i].sendall(GET)
                            continue
                        except BlockingIOError:
                            pass
                        s.send(b"a" if i % 4 == 3 else b"X: 1\r\n" if i % 4 == 2 else b"")
                    except OSError:
                        s.close()
                        slow[i] = server.connect()

        time.sleep(0.5)
        keeper = threading.Thread(target=keep_slow)
        keeper.start()
        end, failed = time.monotonic() + seconds, []
        while time.monotonic() < end:
            start = time.monotonic()
            answer = server.get("/health")
            times.append(time.monotonic() - start)
            if statuses(answer) != (200,):
                failed.append(answer[:100])
            if len(times) % 10 == 0:
                most[0] = max(most[0], server.stats()["connections"])
            time.sleep(0.01)
        stop.set()
        keeper.join()
        times.sort()
        p99 = times[int(len(times) * 0.99)] * 1000
        print(f"500 slow clients for {seconds} s: {len(times)} x /health, median {times[len(times) // 2] * 1000:.1f} "
              f"ms, p99 {p99:.1f} ms, most {times[-1] * 1000:.1f} ms; at most {most[0]} connections")
        check(not failed, f"slow clients: {len(failed)} of {len(times)} were not 200: {failed[:3]}")
        check(is_sanitized or p99 < 100, f"slow clients: p99 of /health is {p99:.1f} ms")
        check(128 < most[0] <= 256, f"slow clients: {most[0]} connections")
        for s in slow:
            s.close()
        check(wait_until(lambda: server.descriptors() <= before + 3, 8), "slow clients left descriptors open")


def test_gone():
    """Handlers learn within 250 ms that their client is gone; nothing is left behind."""
    with Server() as server:
        server.stats()
        before = server.descriptors()
        for name, request, close in [
                ("waiting", b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n", socket.socket.close),
                ("waiting, with pipelined bytes", b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n" + GET,
                 socket.socket.close),
                ("waiting, reset", b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n", reset),
                ("streaming", b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n", socket.socket.close)]:
            key, worst = ("streaming", "held")["hold" in request.decode()], 0
            for _ in range(5):
                s = server.connect()
                s.sendall(request)
                check(wait_until(lambda: server.stats()[key] == 1), f"{name}: it did not begin")
                close(s)
                start = time.monotonic()
                check(wait_until(lambda: server.stats()[key] == 0), f"{name}: it did not end")
                worst = max(worst, time.monotonic() - start)
            print(f"gone while {name}: noticed within {worst * 1000:.0f} ms")
            check(worst < 0.25, f"{name}: noticed after {worst * 1000:.0f} ms")
        s = server.connect()
        s.sendall(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
        check(wait_until(lambda: server.stats()["held"] == 1), "it did not begin")
        try:
            s.sendall(b"x" * (1 << 20))
        except OSError:
            pass
        check(wait_until(lambda: server.stats()["held"] == 0), "64 KiB of pipelined bytes: not dropped")
        s.close()

        with server.connect() as s:  # a client that does not read
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.sendall(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n")
            check(wait_until(lambda: server.stats()["streaming"] == 1), "flood: it did not begin")
            check(wait_until(lambda: server.stats()["streaming"] == 0, 20), "flood: the client was not dropped")

        start, gone, memory = time.monotonic(), server.stats()["gone"], 0
        for i in range(1000):
            memory = memory or (i == 100 and server.resident())
            s = server.connect()
            s.sendall(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if i % 2:  # some at once, some after the request has begun
                time.sleep(0.001)
            (reset if i % 3 == 0 else socket.socket.close)(s)
        check(wait_until(lambda: server.stats()["held"] == 0), f"1,000 disconnects: {server.stats()}")
        check(wait_until(lambda: server.descriptors() <= before + 2), "1,000 disconnects left descriptors open")
        grown = server.resident() - memory
        print(f"1,000 disconnects in {time.monotonic() - start:.1f} s, {server.stats()['gone'] - gone} while held; "
              f"memory of the last 900: {grown:.2f} MiB")
        check(is_sanitized or grown < 4, f"1,000 disconnects left {grown:.1f} MiB in use")


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def test_drain():
    def stop(server):
        server.process.send_signal(signal.SIGTERM)

    with Server() as server:  # running replies are finished, others refused
        streams = [server.connect() for _ in range(4)]
        for s in streams:
            s.sendall(b"GET /stream?200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        idle, half = server.connect(), server.connect()
        half.sendall(GET)
        check(wait_until(lambda: server.stats()["streaming"] == 4), "the streams did not begin")
        stop(server)
        check(read_all(idle) == b"", "an idle connection was not closed")
        check(statuses(read_all(half)) == (503,), "half a request was not refused")

        def is_closed():
            try:
                server.connect().close()
                return False
            except ConnectionRefusedError:
                return True
        check(wait_until(is_closed), "the server still listens")
        for s in streams:
            answer = read_all(s)
            check(answer.endswith(b"0\r\n\r\n") and b"data: piece 199\n" in answer, f"a cut stream: {answer[-100:]!r}")
        check(server.process.wait(10) == 0 and server.process.stdout.read() == "drained\n", "the drain did not end")
    with Server("--drain-ms", "300") as server:  # replies that take too long are dropped
        s = server.connect()
        s.sendall(b"GET /hold HTTP/1.1\r\nHost: localhost\r\n\r\n")
        t = server.connect()
        t.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        check(wait_until(lambda: (lambda n: n["held"] + n["streaming"] == 2)(server.stats())), "they did not begin")
        start = time.monotonic()
        stop(server)
        check(server.process.wait(10) == 0 and server.process.stdout.read() == "dropped\n", "the drain did not end")
        took = time.monotonic() - start
        check(0.25 < took < 2.5, f"a drain of 300 ms took {took:.2f} s")
    with Server() as server:  # under load
        stopped, answers = threading.Event(), []

        def load():
            while not stopped.is_set():
                try:
                    answers.append(statuses(server.get("/health")))
                except OSError:
                    return
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        time.sleep(0.5)
        stop(server)
        check(server.process.wait(10) == 0 and server.process.stdout.read() == "drained\n", "the drain under load")
        stopped.set()
        for t in threads:
            t.join()
        check(len(answers) > 50 and set(answers) <= {(200,), (503,), ()}, f"a drain under load: {set(answers)}")
        print(f"drain under load: {len(answers)} answers, {answers.count(())} clients without one")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--sanitized", action="store_true", help="do not check memory and times of /health")
    parser.add_argument("--only", help="the name of one test, such as drain")
    arguments = parser.parse_args()
    program, wrong, checks, is_sanitized = arguments.program, [], 0, arguments.sanitized
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    tests = {"table": test_table, "keys": test_keys, "times": test_times, "gone": test_gone, "drain": test_drain,
             "connections": lambda: test_connections(60 if arguments.long else 4)}
    for test_name, test in tests.items():
        if arguments.only in (None, test_name):
            test()
    print("\n".join(wrong))
    print(f"{checks} checks, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)
