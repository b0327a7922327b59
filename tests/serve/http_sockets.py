# SPDX-License-Identifier: Apache-2.0
"""Tests the HTTP server over raw sockets: hostile requests, slow clients, clients that are gone, drains (R8, R11, R20).

    http_sockets.py PROGRAM [--long]   PROGRAM: tests/serve/http_test_server.cpp, compiled; --long: 60 s of slow clients
"""
import argparse
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import sys
import threading
import time

from http_cases import ANSWERED, CHUNKED, END, EXTENSIONS, GET, POST, REFUSED
from http_process import Server, read_all, reset, send_slowly, statuses, wait_until


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
    Server.program, wrong, checks, is_sanitized = arguments.program, [], 0, arguments.sanitized
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    tests = {"table": test_table, "statuses": test_documented_statuses, "client": test_standard_client,
             "keys": test_keys, "times": test_times, "gone": test_gone, "drain": test_drain,
             "connections": lambda: test_connections(60 if arguments.long else 4)}
    for test_name, test in tests.items():
        if arguments.only in (None, test_name):
            test()
    print("\n".join(wrong))
    print(f"{checks} checks, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)
