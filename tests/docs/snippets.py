# SPDX-License-Identifier: Apache-2.0
"""Checks that code in the documents is code that the tests compile, and that links lead to existing files.

    snippets.py               checks README.md, CHANGELOG.md, docs/ and examples/; prints one line for each error
    snippets.py --write       writes the code into the documents
    snippets.py --self-test   checks that a stale snippet and a dead link are found

A snippet is a comment and a code block. `<!-- snippet: examples/02_variant.cpp [variant] -->` takes the lines between
two lines `// [variant]` of that file; without a mark it takes the whole file after its first comment.
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLACE = re.compile(r"<!-- snippet: (\S+)(?: \[(\w+)\])? -->\n(?:\n?```cpp\n.*?```\n)?", re.S)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def code_of(text, mark):
    if mark:
        parts = re.split(rf"^// \[{mark}\]\n", text, flags=re.M)
        return parts[1] if len(parts) == 3 else None
    return re.sub(r"\A(//[^\n]*\n)+", "", text)


def filled(document, read):
    """Returns the document with the code of the files in its snippets, and a list of errors."""
    wrong = []

    def block(m):
        text = read(m[1])
        code = None if text is None else code_of(text, m[2])
        if code is None:
            wrong.append(f"no snippet {m[1]} [{m[2]}]")
            return m[0]
        return f"<!-- snippet: {m[1]}{f' [{m[2]}]' if m[2] else ''} -->\n```cpp\n{code.strip(chr(10))}\n```\n"

    return PLACE.sub(block, document), wrong


def read_file(name):
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def links(text):
    """Returns the targets of the links outside of code."""
    return LINK.findall(re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.S))


def check(path, write):
    text = path.read_text(encoding="utf-8")
    now, wrong = filled(text, read_file)
    name = path.relative_to(ROOT)
    problems = [f"{name}: {w}" for w in wrong]
    if write:
        path.write_text(now, encoding="utf-8")
    elif now != text:
        problems.append(f"{name}: a snippet differs from its file; run tests/docs/snippets.py --write")
    return problems + [f"{name}: the link target {link} does not exist" for link in links(text)
                       if not (path.parent / link).exists()]


def self_test():
    files = {"a.cpp": "// about\n// it\nint a;\n// [x]\nint b;\n// [x]\n"}
    fresh, wrong = filled("<!-- snippet: a.cpp [x] -->\n", files.get)
    assert fresh == "<!-- snippet: a.cpp [x] -->\n```cpp\nint b;\n```\n" and not wrong
    assert (filled(fresh, files.get)[0] == fresh
            and filled(fresh.replace("b", "c"), files.get)[0] != fresh.replace("b", "c"))
    assert ("int a;" in filled("<!-- snippet: a.cpp -->\n", files.get)[0]
            and "about" not in filled("<!-- snippet: a.cpp -->\n", files.get)[0])
    assert filled("<!-- snippet: a.cpp [y] -->\n", files.get)[1] and filled("<!-- snippet: b.cpp -->\n", files.get)[1]
    assert links("[a](b.md) [c](https://d) [e](#f) [g](h/i.hpp#j) `[k](l)`\n```\n[m](n)\n```\n") == ["b.md", "h/i.hpp"]
    return []


def main():
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")),
                 *sorted((ROOT / "examples").rglob("*.md"))]
    problems = self_test() if "--self-test" in sys.argv else [
        p for d in documents for p in check(d, "--write" in sys.argv)]
    print("\n".join(problems))
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main())
