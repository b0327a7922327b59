# SPDX-License-Identifier: Apache-2.0
"""Tests that invalid programs fail to compile with exactly one error, the expected sentence.

Each case is tests/compile_fail/<folder>/<case>.cpp. Its first line states what the error must contain:

    // EXPECT: llava: text.heads must be a multiple of text.kv_heads

Its twin, the same file with -DLLAVA_FIXED, must compile. Notes, "required from" lines and error counts are ignored.

    run.py                          g++
    run.py --all                    g++, clang 19 and nvcc; skips those that are not installed, with a message
    run.py --compiler X [CASE...]   these compilers, these files
    run.py --self-test              checks that each kind of mistake is found
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
INCLUDE = HERE.parents[1] / "include"
# g++: "x.cpp:3:5: error: ", clang: the same or "fatal error: ", nvcc: "x.cpp(3): error: " or "error #20: "
ERROR = re.compile(r"(?:^|[:\s])(?:fatal )?error(?: #[\w-]+)?: (.*)$", re.M)


def command_of(compiler, includes, output):
    """nvcc has no -fsyntax-only; its front end writes a file instead."""
    common = ["-std=c++20", *(f"-I{i}" for i in includes)]
    if "nvcc" in pathlib.Path(compiler).name:
        return [compiler, "-x", "cu", "-cuda", "-o", output, "--expt-relaxed-constexpr", *common]
    return [compiler, "-fsyntax-only", *common]


def compile_case(compiler, includes, case, *flags):
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([*command_of(compiler, includes, f"{folder}/out.ii"), *flags, str(case)],
                              capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    return done.returncode, done.stdout + done.stderr


def check(compiler, includes, case):
    """Returns what is wrong with the case under this compiler, or an empty string."""
    first = case.read_text(encoding="utf-8").split("\n", 1)[0]
    if not (m := re.fullmatch(r"// EXPECT: (.*\S)\s*", first)):
        return "its first line is not `// EXPECT: ` and a sentence"
    code, text = compile_case(compiler, includes, case)
    errors = ERROR.findall(text)
    text = "\n".join(line for line in text.splitlines() if ERROR.search(line))
    if code == 0:
        return "it compiles, but must not"
    if len(errors) != 1:
        return f"{len(errors)} errors instead of one:\n{text}"
    if m[1] not in errors[0]:
        return f"its error is not the sentence `{m[1]}`:\n{text}"
    code, text = compile_case(compiler, includes, case, "-DLLAVA_FIXED")
    if code == 0:
        return ""
    lines = [line for line in text.splitlines() if ERROR.search(line)]
    return "its twin with -DLLAVA_FIXED does not compile:\n" + "\n".join(lines or [text])


def check_all(compilers, includes, cases, root=HERE):
    """Returns {(case, compiler): what is wrong} of the cases that fail."""
    jobs = [(compiler, case) for case in cases for compiler in compilers]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        found = pool.map(lambda job: check(job[0], includes, job[1]), jobs)
        return {(str(case.relative_to(root)), c): wrong for (c, case), wrong in zip(jobs, found) if wrong}


# Each kind of mistake, and what run.py must report ("" for a good case).
SELF_TEST = {
    "good": ("", "// EXPECT: llava: four\n#ifdef LLAVA_FIXED\nint x = 4;\n#else\nint x = 5;\n"
                 'static_assert(sizeof(int) == 5, "llava: four");\n#endif\n'),
    "in_a_template": ("", "// EXPECT: llava: body\ntemplate <class T> struct s { void f() { "
                          'static_assert(sizeof(T) == 1, "llava: body"); } };\n'
                          "#ifdef LLAVA_FIXED\nusing t = char;\n#else\nusing t = int;\n#endif\n"
                          "void g() { s<t>{}.f(); }\n"),
    "compiles": ("it compiles", "// EXPECT: llava: x\nint x;\n"),
    "two_errors": ("2 errors", '// EXPECT: llava: x\n#ifndef LLAVA_FIXED\nstatic_assert(false, "llava: x");\n'
                               'static_assert(false, "llava: x");\n#endif\n'),
    "other_sentence": ("is not the sentence", "// EXPECT: llava: x\n#ifndef LLAVA_FIXED\n"
                                              'static_assert(false, "llava: y");\n#endif\n'),
    "broken_twin": ("its twin", '// EXPECT: llava: x\nstatic_assert(false, "llava: x");\n'),
    "no_expect": ("first line", "int x = ;\n"),
    "missing_include": ("is not the sentence", "// EXPECT: llava: x\n#ifndef LLAVA_FIXED\n"
                                               "#include <llava/none.hpp>\n#endif\n"),
}


def self_test(compilers):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, (_, text) in SELF_TEST.items():
            (root / f"{name}.cpp").write_text(text)
        found = check_all(compilers, [], sorted(root.glob("*.cpp")), root)
    failed = 0
    for compiler in compilers:
        for name, (expected, _) in SELF_TEST.items():
            wrong = found.get((f"{name}.cpp", compiler), "")
            if (expected not in wrong) if expected else wrong:
                print(f"{compiler}: {name}: expected `{expected}`, found `{wrong}`")
                failed += 1
    print(f"{len(SELF_TEST)} cases, {failed} of them misjudged by {', '.join(compilers)}")
    return failed


def present(compilers):
    """Yields the installed compilers. Of a choice "a|b" it yields the first that is installed."""
    for choice in compilers:
        if name := next((n for n in choice.split("|") if shutil.which(n)), None):
            yield name
        else:
            print(f"{choice.split('|')[0]} is not installed: its cases are skipped")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", action="append", default=[])
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("cases", nargs="*", type=pathlib.Path)
    args = parser.parse_args()
    compilers = list(present(["g++", "clang++-19|clang++", "nvcc"] if args.all else args.compiler or ["g++"]))
    if args.self_test:
        sys.exit(1 if self_test(compilers) else 0)
    cases = [c.resolve() for c in args.cases] or sorted(HERE.glob("*/*.cpp"))
    if not cases:
        sys.exit("there are no cases")
    bad = check_all(compilers, args.include or [str(INCLUDE)], cases)
    for (case, compiler), wrong in bad.items():
        print(f"=== {case} with {compiler}: {wrong}")
    print(f"{len(cases)} cases, {len(compilers)} compilers ({', '.join(compilers)}), {len(bad)} wrong")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
