# SPDX-License-Identifier: Apache-2.0
"""Tests `llava-serve serve` with pictures and JSON that would need much memory (R4, R5, R8, R9).
hostile_clients.py tests clients that misbehave; http_sockets.py tests the HTTP server alone.

    hostile.py LLAVA_SERVE MODEL [--only NAME] [--sanitized]
"""
import concurrent.futures
import json
import re
import threading
import time

import checks
from checks import check
from hostile_cases import MIB, PICTURES, REQUESTS, big_picture, bodies_of_32_mib, requests_with_pictures
from hostile_server import CHAT, ask, healthy, options_of, run_with_server
from http_process import statuses, wait_until
from openai_server import Server


def check_text(name, text):
    """A reply tells no pointer, no path of the server, and no text of another library (R5)."""
    found = re.search(r"0x[0-9a-f]{4,}|/(?:root|home|usr|tmp|proc|work|etc)/|\.[hc]pp|std::|libpng|libjpeg|rapidjson|"
                      r"bad_alloc|what\(\)|[Bb]oost", text)
    check(not found and Server.model not in text, f"{name}: the reply tells of the server: {text[:300]!r}")


def check_refusals(server, cases):
    for name, path, body, expected, most in cases:
        server.forget_peak()
        before = server.resident()
        status, text, took = ask(server, path, body)
        grown = server.peak() - before
        check(status in expected, f"{name}: expected {expected}, found {status} {text[:300]}")
        check_text(name, text)
        check(is_sanitized or grown < most, f"{name}: {grown:.0f} MiB more at most, expected less than {most}")
        check(is_sanitized or took < 10, f"{name}: answered after {took:.1f} s")
        if status >= 400:
            error = json.loads(text)["error"]
            check(set(error) == {"message", "type", "param", "code"} and error["message"] and len(text) < 2000,
                  f"{name}: {text[:300]}")


def test_requests(server):
    check_refusals(server, [(n, p, b, e, 40 + 5 * len(b) / MIB) for n, p, b, e in REQUESTS])
    healthy(server, "requests")


def test_pictures(server):
    check_refusals(server, [(n, CHAT, b, e, m) for n, b, e, m in requests_with_pictures(PICTURES)])
    healthy(server, "pictures")


def test_memory(server):
    """Bodies of 32 MiB that become as much JSON as may be, and a picture of 89 million pixels, several at one time. The
    server stays responsive, answers, and gives the memory back."""
    before = server.resident()
    bodies = list(bodies_of_32_mib())
    big = next(requests_with_pictures([("", big_picture(), (200,), 0)]))[1]
    times, over = [], threading.Event()

    def watch():
        while not over.wait(0.01):
            start = time.monotonic()
            check(statuses(server.get("/health")) == (200,), "memory: /health failed")
            times.append(time.monotonic() - start)
    watcher = threading.Thread(target=watch)
    watcher.start()
    server.forget_peak()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda b: ask(server, CHAT, b, 120), bodies + [big] * 2))
    over.set()
    watcher.join()
    for status, text, _ in found:
        check(status in (200, 400, 503), f"memory: {status} {text[:200]}")
        check_text("memory", text)
    check([s for s, _, _ in found[-2:]] == [200] * 2, f"memory: big pictures: {found[-2:]}")
    times.sort()
    p99 = times[int(len(times) * 0.99)] * 1000
    server.wait_until_idle(5)
    wait_until(lambda: server.resident() - before < 100)
    print(f"memory: {server.peak() - before:.0f} MiB more at most, {server.resident() - before:.0f} MiB afterwards; "
          f"/health {len(times)} times, p99 {p99:.1f} ms")
    check(is_sanitized or p99 < 250, f"memory: p99 of /health is {p99:.0f} ms")
    check(is_sanitized or server.peak() - before < 1800, "memory: too much of it")
    check(is_sanitized or server.resident() - before < 100, "memory: it is not given back")
    healthy(server, "memory")


if __name__ == "__main__":
    options = options_of(__doc__)
    is_sanitized = options.sanitized
    run_with_server({"requests": test_requests, "pictures": test_pictures, "memory": test_memory}, options.only)
    checks.finish()
