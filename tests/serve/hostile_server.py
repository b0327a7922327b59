# SPDX-License-Identifier: Apache-2.0
"""What hostile.py and hostile_clients.py share: a question as bytes, and a server that must be well afterwards."""
import argparse
import time

import checks
from checks import check
from http_process import read_all, statuses
from openai_server import Server, request

CHAT = "/v1/chat/completions"


def raw(path, body, more=""):
    return (f"POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n{more}\r\n"
            .encode() + body)


def ask(server, path, body, timeout=60):
    """Returns status and body, and the seconds that it took."""
    start = time.monotonic()
    with server.connect(timeout) as s:
        try:
            s.sendall(raw(path, body))
        except (ConnectionResetError, BrokenPipeError):
            pass
        answer = read_all(s)
    return (statuses(answer) or (0,))[-1], answer.split(b"\r\n\r\n", 1)[-1].decode(), time.monotonic() - start


def healthy(server, name):
    """The server answers a question as always, and has nothing left to do."""
    status, reply = server.post(CHAT, request())
    check(status == 200 and reply["choices"][0]["message"]["content"] == "three", f"{name}: afterwards {reply}")
    server.wait_until_idle(5)


def options_of(text):
    """PROGRAM MODEL [--only NAME] [--sanitized]"""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program")
    parser.add_argument("model")
    parser.add_argument("--only", help="the name of one test, such as gone")
    parser.add_argument("--sanitized", action="store_true", help="do not check times and memory")
    options = parser.parse_args()
    Server.program, Server.model = options.program, options.model
    return options


def run_with_server(tests, only):
    """Runs the tests with one server, which must live through them."""
    if only is None or only in tests:
        with Server() as server:
            checks.run({name: lambda test=test: test(server) for name, test in tests.items()}, only)
            check(server.process.poll() is None, "the server has ended")
