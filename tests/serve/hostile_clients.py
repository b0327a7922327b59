# SPDX-License-Identifier: Apache-2.0
"""Tests `llava-serve serve` with clients that are slow, do not read or leave, SIGTERM under load, and --answer-timeout
(R8, R11, R20).

    hostile_clients.py LLAVA_SERVE MODEL [--only NAME] [--sanitized]
"""
import concurrent.futures
import json
import random
import signal
import socket
import threading
import time

import checks
from checks import check
from hostile_server import CHAT, ask, healthy, options_of, raw, run_with_server
from http_process import reset, send_slowly, statuses, wait_until
from openai_server import LONG, Server, request


def test_slow(server):
    """500 clients that are idle or slow, while others ask and the model computes: /health and answers are not kept."""
    answer = server.chat()["choices"]
    slow = [server.connect() for _ in range(500)]
    body = json.dumps(request()).encode()
    whole = raw(CHAT, body)
    for i, s in enumerate(slow):
        try:
            s.sendall([b"", whole[:20], whole[:-len(body)], whole[:-9]][i % 4])
        except OSError:
            pass
    threads = [threading.Thread(target=send_slowly, args=(s, b" ", 0.4, 8), daemon=True) for s in slow[::10]]
    for t in threads:
        t.start()
    times, over, answered = [], threading.Event(), []

    def question():
        while not over.is_set():
            try:
                answered.append(server.chat(max_tokens=8)["choices"] == answer)
            except (OSError, AssertionError):  # refused
                answered.append(False)
    time.sleep(0.5)  # a connection gives way when it has waited for a quarter of a second
    askers = [threading.Thread(target=question) for _ in range(4)]
    for t in askers:
        t.start()
    end = time.monotonic() + 3
    while time.monotonic() < end:
        start = time.monotonic()
        check(statuses(server.get("/health")) == (200,), "slow: /health failed")
        times.append(time.monotonic() - start)
        time.sleep(0.005)
    over.set()
    for t in askers:
        t.join()
    for s in slow:
        s.close()
    times.sort()
    p99 = times[int(len(times) * 0.99)] * 1000
    print(f"slow: 500 clients and 4 that ask: {len(answered)} answers, {len(times)} x /health, p99 {p99:.1f} ms")
    check(is_sanitized or p99 < 100, f"slow: p99 of /health is {p99:.0f} ms")
    check(len(answered) > 10 and all(answered), f"slow: {answered.count(False)} of {len(answered)} answers differ")
    healthy(server, "slow")


def stream_of(server, **fields):
    s = server.connect(60)
    s.sendall(raw(CHAT, json.dumps(request(**fields, stream=True)).encode()))
    return s


def test_readers(server):
    """A client that reads a stream slowly gets all of it. One that does not read is dropped, and its answers end."""
    with stream_of(server, image=False, text="Tell me", ignore_eos=True, max_tokens=150) as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        answer = b""
        while piece := s.recv(700):
            answer += piece
            time.sleep(0.01)
        check(b"data: [DONE]" in answer, f"readers: a slow reader got {answer[-100:]!r}")
    dropped = server.metric("llava_requests_dropped_total")
    s = server.connect(60)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.sendall(raw(CHAT, json.dumps(request(**LONG, stream=True, logprobs=True, top_logprobs=20)).encode()))
    check(wait_until(lambda: server.metric("llava_requests_dropped_total") > dropped, 60), "readers: it is not dropped")
    s.close()
    healthy(server, "readers")


def test_gone(server):
    """1,000 clients leave while their prompt or their answer is computed. Then nothing runs, and memory and descriptors
    are as before."""
    drawn, words = random.Random(1), ("red", "blue", "circle", "star", "how", "many", "what", "left", "right", "is")

    def prompt():  # with a beginning of its own, so that it is computed
        return " ".join(drawn.choice(words) for _ in range(900))

    def leave(i):
        close = reset if i % 3 == 0 else socket.socket.close
        if i % 2:
            s = stream_of(server, text=f"{i} What is this?", ignore_eos=True, max_tokens=1900, n=1 + i % 3)
            s.recv(300) and s.recv(300)
        else:
            s = server.connect()
            s.sendall(raw(CHAT, json.dumps(request(text=prompt(), max_tokens=4, stream=i % 4 == 0)).encode()))
            time.sleep(0.002 * (i % 9))
        close(s)

    worst = {}
    for name, fields in (("prefill", {"text": prompt()}), ("decode", {**LONG}), ("a stream", {**LONG, "stream": True})):
        for i in range(4):
            if name == "prefill":
                fields = {"text": prompt()}
            s = server.connect()
            s.sendall(raw(CHAT, json.dumps(request(**fields)).encode()))
            wait_until(lambda: server.metric("llava_kv_blocks_used") > 0)
            time.sleep(0.01 if name == "prefill" else 0.1)
            (reset if i % 2 else socket.socket.close)(s)
            worst[name] = max(worst.get(name, 0), server.wait_until_idle(5))
    print("gone: " + ", ".join(f"{name} ends within {1000 * w:.0f} ms" for name, w in worst.items()))
    check(is_sanitized or max(worst.values()) < 0.25, f"gone: {worst}")

    def all_leave(first, last):
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            list(pool.map(leave, range(first, last)))
        server.wait_until_idle(10)
    all_leave(0, 3000)  # until the allocator's heap has its size
    before, memory = server.descriptors(), server.resident()
    dropped = server.metric("llava_requests_dropped_total")
    start = time.monotonic()
    all_leave(3000, 4000)
    took = time.monotonic() - start
    check(wait_until(lambda: server.descriptors() <= before), f"gone: {server.descriptors() - before} descriptors left")
    grown = server.resident() - memory
    dropped = int(server.metric("llava_requests_dropped_total") - dropped)
    print(f"gone: 1,000 clients in {took:.1f} s, {dropped} while they were answered; memory {memory:.1f} MiB, "
          f"{grown:+.2f} MiB")
    check(dropped > 500, f"gone: only {dropped} of 1,000 were being answered")
    check(is_sanitized or grown < 3, f"gone: {grown:.1f} MiB of memory are left in use")
    healthy(server, "gone")


def test_stop():
    """SIGTERM while many clients ask: what has begun is answered to the end, the rest is refused."""
    with Server("--max-queue", "200") as server:
        outcomes, cut, stopped = [], [], threading.Event()

        def load(i):
            while not stopped.is_set():
                stream = i % 2 == 0
                body = json.dumps(request(max_tokens=100, ignore_eos=True, stream=stream)).encode()
                try:
                    status, text, _ = ask(server, CHAT, body)
                except OSError:
                    return  # it does not listen any longer
                is_whole = text.endswith("[DONE]\n\n\r\n0\r\n\r\n") if stream else text.endswith("}}")
                outcomes.append(status)
                if status == 200 and not is_whole:
                    cut.append(text[-200:])
        threads = [threading.Thread(target=load, args=(i,)) for i in range(24)]
        for t in threads:
            t.start()
        wait_until(lambda: outcomes.count(200) > 30, 20)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        code = server.process.wait(40)
        took = time.monotonic() - start
        stopped.set()
        for t in threads:
            t.join()
        print(f"stop: {outcomes.count(200)} answers, {outcomes.count(503)} refused, ended after {took:.1f} s")
        check(code == 0 and server.process.stdout.read() == "llava: stopped\n", f"stop: exit code {code}")
        check(took < 30 and not cut, f"stop: {took:.1f} s, {len(cut)} answers were cut off: {cut[:2]}")
        check(set(outcomes) <= {200, 503, 0}, f"stop: {set(outcomes)}")
        check(outcomes.count(0) <= 24, "stop: answers were lost")


def test_timeout():
    """--answer-timeout: an answer ends with its text so far; one that has not begun is an error."""
    with Server("--answer-timeout", "0.2", "--max-sequences", "1", "--kv-tokens", "2048", "--prompt-lookup",
                "0") as server:
        long = {"ignore_eos": True, "max_tokens": 1900}
        start = time.monotonic()
        status, reply = server.post(CHAT, request(**long))
        took = time.monotonic() - start
        check(status == 200 and reply["choices"][0]["finish_reason"] == "length"
              and 0 < reply["usage"]["completion_tokens"] < 1900, f"timeout: {status} {reply}")
        check(is_sanitized or took < 2, f"timeout: after {took:.1f} s")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            first = pool.submit(server.post, CHAT, request(**long))
            time.sleep(0.05)
            second = server.call("POST", CHAT, request(**long))
            streamed = server.call("POST", CHAT, request(**LONG, stream=True))
            check(first.result()[0] == 200, "timeout: the first of two")
        check(second[0] == 200 or (second[0], second[2]["Retry-After"]) == (503, "1"), f"timeout: {second[1][:300]}")
        last = [e for e in streamed[1].split("\n\n") if e][-1]
        check("did not begin in time" in last, f"timeout: 8 answers, one at a time: {last[:300]}")
        server.wait_until_idle(2)


if __name__ == "__main__":
    options = options_of(__doc__)
    is_sanitized = options.sanitized
    run_with_server({"slow": test_slow, "readers": test_readers, "gone": test_gone}, options.only)
    checks.run({"stop": test_stop, "timeout": test_timeout}, options.only)
    checks.finish()
