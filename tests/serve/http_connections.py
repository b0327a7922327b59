# SPDX-License-Identifier: Apache-2.0
"""Tests the connections of the HTTP server: slow clients, many clients, clients that are gone, drains (R8, R11, R20).

    http_connections.py PROGRAM [--long]   PROGRAM: as of http_sockets.py; --long: 60 s of slow clients
"""
import argparse
import resource
import signal
import socket
import threading
import time

import checks
from checks import check
from http_cases import GET, POST
from http_process import Server, read_all, reset, send_slowly, statuses, wait_until


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
    options = parser.parse_args()
    Server.program, is_sanitized = options.program, options.sanitized
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    checks.run({"times": test_times, "gone": test_gone, "drain": test_drain,
                "connections": lambda: test_connections(60 if options.long else 4)}, options.only)
    checks.finish()
