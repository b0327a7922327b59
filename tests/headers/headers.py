# SPDX-License-Identifier: Apache-2.0
"""What the checks of the headers share: finding headers, reading them without comments, and testing a check itself.

A check is a function from {path: text} (paths below include/, such as "llava/vision/vit.hpp") to a list of sentences.
"""
import pathlib
import re
import sys

INCLUDE = pathlib.Path(__file__).resolve().parents[2] / "include"
HEADER_SUFFIXES = {".hpp", ".h", ".inc", ".cuh", ".inl"}

# Strings and character literals are matched first, so that a // inside of one starts no comment.
_TOKENS = re.compile(r'R"(?P<d>[^\s()\\]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
                     r"|//[^\n]*|/\*.*?\*/", re.S)
_LONG_NUMBER = re.compile(r"\b\d[\da-fA-FxX]*(?:'[\da-fA-F]+)+")  # 16'384: no character literal begins here


def read_headers(root=INCLUDE):
    """{path below root: text} of every header."""
    return {p.relative_to(root).as_posix(): p.read_text(encoding="utf-8")
            for p in sorted(root.rglob("*")) if p.suffix in HEADER_SUFFIXES}


def without_comments(text):
    """The text with comments gone; lines keep their numbers."""
    def keep(m):
        return "\n" * m[0].count("\n") if m[0].startswith("/") else m[0]
    return _TOKENS.sub(keep, _LONG_NUMBER.sub(lambda m: m[0].replace("'", ""), text))


def without_strings(text):
    """For text without comments: string literals emptied as well, except the names of includes."""
    return "\n".join(line if re.match(r"\s*#\s*include\b", line) else _TOKENS.sub('""', line)
                     for line in text.split("\n"))


def includes(text):
    """(line number, name, is_quoted) of each #include; `text` is without comments."""
    for number, line in enumerate(text.split("\n"), 1):
        if m := re.match(r'\s*#\s*include\s*(?:<([^>]+)>|"([^"]+)")', line):
            yield number, m[1] or m[2], m[1] is None


def main(check, bad, good=(), read=read_headers):
    """Runs `check` on the tree, or with --self-test on cases: `bad` holds ({path: text}, what the one sentence must
    contain), `good` holds {path: text} that must pass. Exits 1 with the sentences."""
    if "--self-test" not in sys.argv:
        found = check(read())
        print("\n".join(found) if found else "fine")
        sys.exit(1 if found else 0)
    wrong = []
    for files, expected in bad:
        found = check(files)
        if len(found) != 1 or expected not in found[0]:
            wrong.append(f"{files}\n  expected one sentence with: {expected}\n  found: {found}")
    wrong += [f"{files}\n  expected nothing\n  found: {found}" for files in good if (found := check(files))]
    print("\n".join(wrong) if wrong else f"{len(bad)} bad and {len(good)} good cases are told apart")
    sys.exit(1 if wrong else 0)
