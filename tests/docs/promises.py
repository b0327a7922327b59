# SPDX-License-Identifier: Apache-2.0
"""Checks docs/promises.md: every promise that a file of the project names is defined there, and its tests exist.

    promises.py              prints one line for each error
    promises.py --self-test  checks that violations of both rules are found
"""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("include", "tests", "bench", "docs", "examples", "cmake")
ENDS = {".hpp", ".cpp", ".inc", ".py", ".md", ".cmake", ".txt", ".sh"}


def named():
    """Yields (file, number) of every promise that a file names."""
    for folder in FOLDERS:
        for file in sorted((ROOT / folder).rglob("*")):
            if file.suffix in ENDS and "data" not in file.parts and file.is_file():
                for number in re.findall(r"\bR(\d+)(?=[:,;.) ])", file.read_text(encoding="utf-8")):
                    yield file.relative_to(ROOT), int(number)


def exists(test, checks):
    """Returns whether a name of the last column is a test file, a pattern of test files, a script or a ctest check."""
    return test.split()[0] in checks or (ROOT / test.split()[0]).is_file() or any((ROOT / "tests").glob(f"{test}.cpp"))


def mistakes(table, names, checks):
    promises = {}
    for line in table.splitlines():
        if row := re.match(r"\| R(\d+) \|.*\|([^|]*)\|$", line):
            promises[int(row[1])] = row[2]
    for file, number in sorted(set(names)):
        if number not in promises:
            yield f"{file}: R{number} is not in docs/promises.md"
    for number, tests in promises.items():
        found = re.findall(r"`([^`]+)`", tests)
        if not found and "not yet" not in tests:
            yield f"docs/promises.md: R{number} has no test, and does not say \"not yet\""
        for test in found:
            if not test.startswith("llava ") and not exists(test, checks):
                yield f"docs/promises.md: R{number} names {test}, which is not a test"


def main():
    table = (ROOT / "docs/promises.md").read_text(encoding="utf-8")
    listed = (ROOT / "tests/CMakeLists.txt").read_text(encoding="utf-8")
    checks = set(re.findall(r"llava_check\((\w+)", listed))
    for names in re.findall(r"foreach\(name ([^)]*)\)", listed):
        checks.update(names.split())
    if sys.argv[1:] == ["--self-test"]:
        for spoiled, names in ((table, [("a", 99)]), (table.replace("`base/dtype`", "`base/none`"), []),
                               (table.replace("| not yet |", "| |", 1), [])):
            if not list(mistakes(spoiled, names, checks)):
                sys.exit("promises: a mistake was not found")
        return print("ok")
    found = list(mistakes(table, named(), checks))
    print("\n".join(found) or "ok")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
