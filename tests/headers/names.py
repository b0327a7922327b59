# SPDX-License-Identifier: Apache-2.0
"""Checks that no file of the project names a folder of one machine or is marked as unfinished, and that no sentence
names a setting with its C++ class: clients of a server and users of a program read it too.

    names.py               checks every file that git tracks or would add; prints one line for each place
    names.py --self-test   checks that such lines are found
"""
import os
import pathlib
import re
import subprocess

from headers import main

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Written so that these lines do not match themselves.
RULES = [
    (re.compile(r"(?<![\w.~$})-])/(?:h[o]me|r[o]ot|w[o]rk|U[s]ers|m[n]t)/"), "a folder of one machine"),
    (re.compile(r"\b(?:T[O]DO|F[I]XME)\b"), "left unfinished: do it, or say in words what is not supported"),
    (re.compile(r'^(?!\s*//).*"[^"]*(?<![:\w])\w+_(?:settings|options):[:]'), "the class of a setting in a sentence"),
]
SKIPPED = ("tests/data/", "LICENSE")  # data may contain any text


def project_files():
    try:
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                                check=True, capture_output=True, text=True).stdout.split("\0")
        return [name for name in listed if name]
    except (OSError, subprocess.CalledProcessError):  # not a git checkout
        return [p.relative_to(ROOT).as_posix() for top in os.listdir(ROOT) if top not in ("build", ".git")
                for p in ((ROOT / top).rglob("*") if (ROOT / top).is_dir() else [ROOT / top])]


def read_files():
    texts = {}
    for name in project_files():
        path = ROOT / name
        if path.is_file() and not path.is_symlink() and not name.startswith(SKIPPED):
            data = path.read_bytes()
            if b"\0" not in data[:4096]:
                texts[name] = data.decode("utf-8", "replace")
    return texts


def check(files):
    return [f"{name}:{number}: `{m[0]}`: {sentence}" for name, text in files.items()
            for number, line in enumerate(text.splitlines(), 1) for rule, sentence in RULES if (m := rule.search(line))]


BAD = [({"a.py": text}, sentence) for text, sentence in [
    ("open('/" + "home/ann/x')", "a folder of one machine"),
    ("cd /" + "root/x", "a folder of one machine"),
    ("1\n2\n see /" + "work/x", "a.py:3: "),
    ("// TO" + "DO: later", "left unfinished"),
    ("FIX" + "ME", "left unfinished"),
    ('fail("llava: open_options:' + ':threads is 0")', "the class of a setting"),
]]
GOOD = [{"a.cpp": '// "open_options:' + ':x"'},
        {"a.py": "build/work/x, ~/home/, https://x.org/root/, ${HOME}/work/, TODOS, /usr/share"}]

if __name__ == "__main__":
    main(check, BAD, GOOD, read_files)
