# SPDX-License-Identifier: Apache-2.0
"""Programs that run while they are used."""
import os
import re
import signal
import socket
import subprocess
import threading
import time


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Program:
    """A program and what it says. It is ready when it has said `ready`."""

    def __init__(self, words, ready, folder=None, seconds=600):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("LLAVA_")}
        self.words, self.said = words, ""
        self.process = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        text=True, env=environment, cwd=folder, start_new_session=True)
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()
        end = time.monotonic() + seconds
        while not re.search(ready, self.said):
            if self.process.poll() is not None or time.monotonic() > end:
                self.stop()
                raise AssertionError(f"{self.words} did not start:\n{self.said}")
            time.sleep(0.02)

    def listen(self):
        for line in self.process.stdout:
            self.said += line

    def found(self, pattern):
        return re.search(pattern, self.said)[1]

    def stop(self):
        """SIGTERM, and SIGKILL after three seconds: the original's heartbeat threads outlive SIGTERM."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, number)
                try:
                    self.process.wait(3)
                except subprocess.TimeoutExpired:
                    pass
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.stop()
        if kind:
            print(f"--- {' '.join(map(str, self.words))}:\n{self.said[-4000:]}")
