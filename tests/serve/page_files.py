# SPDX-License-Identifier: Apache-2.0
"""The files of the web page, include/llava/serve/page/, as a header, so that a program needs no file beside it.

    page_files.py           writes include/llava/serve/page_files.hpp
    page_files.py --check   checks that the header has these files, and the rules for them; prints a line for each error
"""
import pathlib
import re
import sys

SERVE = pathlib.Path(__file__).resolve().parents[2] / "include/llava/serve"
HEADER = SERVE / "page_files.hpp"
TYPES = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
         ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
TOP = """// SPDX-License-Identifier: Apache-2.0
/// page_files: the files of the web page. Written by tests/serve/page_files.py from page/; change those, not these.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN
namespace serve {

/// A file of the page.
struct page_file {
  std::string_view name, type, text;
};

inline constexpr page_file page_files[] = {
"""
# What a page that shows the text of models and of strangers must not contain.
FORBIDDEN = {
    r"\b(https?|wss?|ftp):(?!//www\.w3\.org/2000/svg)": "the address of another server",
    r"[\"'(]//\w": "the address of another server",
    r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|srcdoc|DOMParser|createContextualFragment)\b":
        "text becomes markup",
    r"\beval\b|\bnew Function\b|javascript:": "text becomes code",
    r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=\"": "the security policy forbids inline code and styles",
}


def files():
    return {p.name: p.read_text(encoding="utf-8") for p in sorted((SERVE / "page").iterdir())}


def header(texts):
    entries = [f'    {{"{name}", "{TYPES[pathlib.Path(name).suffix]}", R"page({text})page"}},\n'
               for name, text in texts.items()]
    return TOP + "".join(entries) + "};\n\n}  // namespace serve\nLLAVA_END\n"


def mistakes(texts, written):
    for name, text in texts.items():
        if pathlib.Path(name).suffix not in TYPES:
            yield f"page/{name}: a file of an unknown type"
            continue
        for pattern, reason in FORBIDDEN.items():
            for m in re.finditer(pattern, text):
                yield f"page/{name}:{text.count(chr(10), 0, m.start()) + 1}: {m[0]}: {reason}"
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > 120:
                yield f"page/{name}:{number}: {len(line)} characters, at most 120"
        if text.count("\n") > 300:
            yield f"page/{name}: more than 300 lines"
        if ')page"' in text:
            yield f'page/{name}: )page" ends the literal'
    if not list(filter(lambda n: pathlib.Path(n).suffix not in TYPES, texts)) and written != header(texts):
        yield "page_files.hpp: differs from page/; run tests/serve/page_files.py"


def main():
    texts = files()
    if sys.argv[1:] != ["--check"]:
        HEADER.write_text(header(texts), encoding="utf-8")
        return 0
    for bad in ('<img src="https://example.org/a.png">', "x.innerHTML = y", '<p onclick="f()">', "x" * 121):
        if not list(mistakes({"a.html": bad}, header({"a.html": bad}))):
            sys.exit(f"page_files: a mistake was not found: {bad[:40]}")
    found = list(mistakes(texts, HEADER.read_text(encoding="utf-8")))
    print("\n".join(found) or "ok")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
