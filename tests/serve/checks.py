# SPDX-License-Identifier: Apache-2.0
"""Checks of a test program: a check that fails is kept, and the test goes on."""
import sys
import time

wrong = []
count = 0


def check(condition, sentence):
    global count
    count += 1
    if not condition:
        wrong.append(sentence)


def run(tests, only=None):
    """Runs the tests, a dictionary of functions, or one of them, and says how long each took."""
    for name, test in tests.items():
        if only in (None, name):
            start = time.monotonic()
            test()
            print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)


def finish():
    """Prints what was wrong and ends the program."""
    print("\n".join(wrong[:40]))
    print(f"{count} checks, {len(wrong)} wrong")
    sys.exit(1 if wrong else 0)
