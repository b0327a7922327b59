# SPDX-License-Identifier: Apache-2.0
"""Tests the HTTP server over raw sockets: requests that are right, wrong and hostile, keys and origins (R8, R20).
http_connections.py tests slow clients, clients that are gone, and drains.

    http_sockets.py PROGRAM   PROGRAM: tests/serve/http_test_server.cpp, compiled
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import time

import checks
from checks import check
from http_cases import ANSWERED, CHUNKED, END, EXTENSIONS, GET, POST, REFUSED
from http_process import Server, read_all, send_slowly, statuses


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
        answer = server.ask(CHUNKED + b"3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sent: 1\r\n\r\n" + GET + END + b"\r\n")
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
        for pieces in ([b"0\r\n", b"\r", b"\n"], [b"0", b"\r\n\r", b"\n"], [b"0\r", b"\n", b"A: b", b"\r\n\r\n"]):
            with server.connect() as s:  # an empty body
                for sent in [CHUNKED] + pieces + [GET + END + b"\r\n"]:
                    s.sendall(sent)
                    time.sleep(0.02)
                check(statuses(read_all(s)) == (200, 200), f"an empty body in pieces {pieces}")
        for piece in range(1, 40, 7):  # a request in pieces of every size
            sent = CHUNKED + b"3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nA: b\r\n\r\n" + GET + END + b"\r\n"
            with server.connect() as s:
                for at in range(0, len(sent), piece):
                    s.sendall(sent[at:at + piece])
                    time.sleep(0.001)
                check(statuses(read_all(s)) == (200, 200), f"a request in pieces of {piece} bytes")
            for name, sent in EXTENSIONS:
                with server.connect() as s:
                    send_slowly(s, CHUNKED, 0, 1)
                    for at in range(0, min(len(sent), 300), piece):
                        send_slowly(s, sent[at:at + piece], 0.001, 1)
                    answer = read_all(s)
                    check(statuses(answer) == (400,) and b"without extensions" in answer,
                          f"{name} in pieces of {piece} bytes: {answer[:300]!r}")


def test_documented_statuses():
    """docs/serving.md has every status that the HTTP server sends by itself."""
    root = pathlib.Path(__file__).resolve().parents[2]
    rows = re.findall(r"^\| (\d{3}) \| ([^|]*) \|", (root / "docs/serving.md").read_text(encoding="utf-8"), re.M)
    told = {(status, code) for status, codes in rows for code in re.findall(r"`(\w+)`", codes)}
    faults = (root / "include/llava/serve/http_fault.hpp").read_text(encoding="utf-8")
    sent = re.findall(r'return \{(\d{3}), [^,]+, "(\w+)"', faults)
    check(len(sent) > 25, f"only {len(sent)} faults were found in http_fault.hpp")
    for one in sent:
        check(one in told, f"docs/serving.md does not tell status {one[0]} with {one[1]}")


def test_standard_client():
    """Python's own client: several requests on one connection, bodies of both framings, streams."""
    with Server() as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        local = None
        for method, path, body, expected in [
                ("GET", "/health", None, b"ok"), ("POST", "/echo", b"x" * 100_000, b"x" * 100_000),
                ("POST", "/echo", iter([b"ab", b"c" * 5000, b""]), b"ab" + b"c" * 5000), ("HEAD", "/health", None, b""),
                ("GET", "/stream?3", None, b"".join(b"data: piece %d\n\n" % i for i in range(3))),
                ("GET", "/nothing", None, None), ("HEAD", "/stream?1", None, b""), ("POST", "/echo", b"", b"")]:
            client.request(method, path, body=body, encode_chunked=not isinstance(body, (bytes, type(None))),
                           headers={"Transfer-Encoding": "chunked"} if hasattr(body, "__next__") else {})
            answer = client.getresponse()
            found = answer.read()
            check(expected is None or (answer.status, found) == (200, expected),
                  f"{method} {path}: {answer.status} {found[:100]!r}")
            local = local or client.sock.getsockname()
            check(client.sock and client.sock.getsockname() == local, f"{method} {path}: not on the same connection")
        client.close()


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


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("--only", help="the name of one test, such as keys")
    options = parser.parse_args()
    Server.program = options.program
    checks.run({"table": test_table, "statuses": test_documented_statuses, "client": test_standard_client,
                "keys": test_keys}, options.only)
    checks.finish()
