# SPDX-License-Identifier: Apache-2.0
"""A server as a process, and raw sockets to it, for the tests of the servers."""
import json
import os
import resource
import socket
import subprocess
import time


class Process:
    """A program that prints the port on which it listens, at the end of a line."""

    def __init__(self, command, **more):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **more)
        line = self.process.stdout.readline()
        assert line, "the server ended"
        self.port = int(line.rsplit(":", 1)[-1])

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

    def resident(self):
        """The memory in use, in MiB."""
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize() / 2**20

    def peak(self):
        """The most memory that was in use since forget_peak(), in MiB."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024

    def forget_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


class Server(Process):
    """The program of http_test_server.cpp."""
    program = None  # set before the first server starts

    def __init__(self, *options):
        super().__init__([self.program, *options])

    def stats(self):
        for _ in range(100):
            if statuses(answer := self.get("/stats")) == (200,):
                break
            time.sleep(0.02)  # all places are taken
        return json.loads(answer.split(b"\r\n\r\n", 1)[1])


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


def reset(s):
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    s.close()


def send_slowly(s, piece, pause, times):
    try:
        for _ in range(times):
            time.sleep(pause)
            s.sendall(piece)
    except OSError:
        pass
