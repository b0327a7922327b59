# SPDX-License-Identifier: Apache-2.0
"""Shared code of the header checks: finds headers, reads them without comments, and tests the checks themselves.

A check is a function from {path: text} (paths below include/, such as "llava/vision/vit.hpp") to a list of messages.
"""
import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include"
HEADER_SUFFIXES = {".hpp", ".h", ".inc", ".cuh", ".inl"}

# Strings and character literals are matched first, so that a // inside them starts no comment.
_TOKENS = re.compile(r'R"(?P<d>[^\s()\\]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
                     r"|//[^\n]*|/\*.*?\*/", re.S)
_LONG_NUMBER = re.compile(r"\b\d[\da-fA-FxX]*(?:'[\da-fA-F]+)+")  # 16'384: its ' starts no character literal


def read_headers(root=INCLUDE):
    """Returns {path below root: text} of every header."""
    return {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8")
            for p in sorted(root.rglob("*")) if p.suffix in HEADER_SUFFIXES}


def without_comments(text):
    """Returns the text without comments. Line numbers are unchanged."""
    def keep(m):
        return "\n" * m[0].count("\n") if m[0].startswith("/") else m[0]
    return _TOKENS.sub(keep, _LONG_NUMBER.sub(lambda m: m[0].replace("'", ""), text))


def without_strings(text):
    """Returns a text that has no comments with empty string literals, except in #include lines."""
    return "\n".join(line if re.match(r"\s*#\s*include\b", line) else _TOKENS.sub('""', line)
                     for line in text.split("\n"))


def includes(text):
    """Yields (line number, name, is_quoted) of each #include. `text` has no comments."""
    for number, line in enumerate(text.split("\n"), 1):
        if m := re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line):
            yield number, m[1] or m[2], m[1] is None


def main(check, bad, good=(), read=read_headers):
    """Runs `check` on the tree, or with --self-test on cases: `bad` holds ({path: text}, part of the only message),
    `good` holds {path: text} that must pass. Prints the messages, and exits with 1 if there are any."""
    if "--self-test" not in sys.argv:
        found = check(read())
        print("\n".join(found) if found else "ok")
        sys.exit(1 if found else 0)
    wrong = []
    for files, expected in bad:
        found = check(files)
        if len(found) != 1 or expected not in found[0]:
            wrong.append(f"{files}\n  expected one message with: {expected}\n  found: {found}")
    wrong += [f"{files}\n  expected nothing\n  found: {found}" for files in good if (found := check(files))]
    print("\n".join(wrong) if wrong else f"{len(bad)} bad cases fail and {len(good)} good cases pass")
    sys.exit(1 if wrong else 0)
