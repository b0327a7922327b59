# SPDX-License-Identifier: Apache-2.0
"""A program in a terminal of its own, for the tests of `llava chat`."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x1b\([AB0]|\r|\x07")


class Terminal:
    """Runs `words` with a pseudo-terminal as its standard streams and its controlling terminal."""

    def __init__(self, words, size=(40, 120), folder=None, **environment):
        self.master, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM", "LC_ALL", "LANG", "LC_CTYPE")}
        kept |= {"TERM": "xterm", "HOME": "/nonexistent", **environment}
        self.process = subprocess.Popen(words, stdin=inside, stdout=inside, stderr=inside, preexec_fn=take_terminal,
                                        cwd=folder, env=kept)
        os.close(inside)
        self.raw = ""  # all that was printed
        self.seen = 0  # where the last wait ended
        self.undecoded = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.master)

    def read(self, seconds):
        """Reads what comes within this time. Returns False at the end of the output."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            piece = os.read(self.master, 65536)
        except OSError:  # the program has closed the terminal
            return False
        self.undecoded += piece
        try:
            self.raw += self.undecoded.decode()
            self.undecoded = b""
        except UnicodeDecodeError as e:
            assert e.reason == "unexpected end of data", (e, self.undecoded)
        return bool(piece)

    def text(self):
        """All that was printed, without escape sequences."""
        return ESCAPES.sub("", self.raw)

    def wait_for(self, wanted, seconds=120):
        """Waits for a text behind the last one. Returns what was printed in between, without escape sequences."""
        end = time.monotonic() + seconds
        while True:
            text = self.text()
            at = text.find(wanted, self.seen)
            if at >= 0:
                before, self.seen = text[self.seen:at], at + len(wanted)
                return before
            assert time.monotonic() < end and self.read(0.5), f"no {wanted!r} in {text[self.seen:]!r}"

    def type(self, keys):
        os.write(self.master, keys.encode())

    def say(self, line, until="\nUSER: "):
        """Types a line and returns the lines that are printed until the next prompt, without the line's echo."""
        self.type(line + "\n")
        printed = self.wait_for(until) + "\n"
        return printed.split("\n", 1)[1]

    def wait_for_end(self, seconds=60):
        end = time.monotonic() + seconds
        while self.read(0.2) and time.monotonic() < end:
            pass
        return self.process.wait(timeout=seconds)
