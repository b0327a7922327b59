# SPDX-License-Identifier: Apache-2.0
"""Checks that no line of C++, CMake, Python, shell or prose has more than 120 characters. Tables and links of Markdown
and raw strings of C++ are not counted.

    lines.py              checks the whole project; prints one line for each line that is too long
    lines.py --self-test  checks that lines that are too long are found, and exceptions pass
"""
import re

from headers import main
from names import read_files

LONGEST = 120
ENDS = (".hpp", ".cuh", ".cpp", ".cu", ".inc", ".in", ".cmake", "CMakeLists.txt", ".py", ".sh", ".md")


def check(files):
    found = []
    for name, text in files.items():
        if not name.endswith(ENDS):
            continue
        raw = code = False
        for number, line in enumerate(text.splitlines(), 1):
            is_literal = raw or ('R"(' in line and not name.endswith(".py"))
            if is_literal:
                raw = ')"' not in line.rpartition('R"(')[2]
            shown = line
            if name.endswith(".md"):
                code = code != line.startswith("```")
                shown = "" if line.startswith("|") and not code else re.sub(r"\]\([^)]*\)", "]", line)
            if len(shown) > LONGEST and not is_literal:
                found.append(f"{name}:{number}: {len(shown)} characters, at most {LONGEST}")
    return found


LONG = "x " * 61
BAD = [({"a.hpp": f"// {LONG}"}, "a.hpp:1: "), ({"a.md": f"one\n{LONG}\n"}, "a.md:2: "),
       ({"CMakeLists.txt": LONG}, "CMakeLists.txt:1: "), ({"a.cpp": f'auto s = R"({LONG}\n)";\n{LONG}'}, "a.cpp:3: "),
       ({"a.md": f"```\n| {LONG}\n```"}, "a.md:2: "), ({"a.py": f"""'R"(' in line\n{LONG}"""}, "a.py:2: ")]
GOOD = [{"a.md": f"| {LONG} |\n[a link](https://example.org/{'x' * 120})", "a.cpp": f'auto s = R"({LONG}\n{LONG})";',
         "a.json": LONG}]

if __name__ == "__main__":
    main(check, BAD, GOOD, read_files)
