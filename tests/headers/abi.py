# SPDX-License-Identifier: Apache-2.0
"""Tests that translation units with and without an option that changes the compiled code do not link.

    abi.py --compiler g++ --include include   compiles and links pairs; prints one line for each wrong pair
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

OPTIONS = ["LLAVA_UNCHECKED", "LLAVA_COMPILED"]
HEAD = "#include <llava/base/error.hpp>\nint number(llava::result<int>);\n"
UNITS = [f"{HEAD}int main() {{ return number(0); }}\n", f"{HEAD}int number(llava::result<int> r) {{ return *r; }}\n"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--include", action="append", default=[])
    args = parser.parse_args()
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        def unit(i, option):
            out = pathlib.Path(folder) / f"{i}{option}.o"
            flags = [*(f"-I{p}" for p in args.include), *([f"-D{option}"] if option else [])]
            command = [args.compiler, "-std=c++20", *flags, "-x", "c++", "-c", "-", "-o", out]
            subprocess.run(command, input=UNITS[i], text=True, check=True)
            return out

        for option in OPTIONS:
            for first in ("", option):
                for second in ("", option):
                    done = subprocess.run([args.compiler, unit(0, first), unit(1, second), "-o", f"{folder}/program"],
                                          capture_output=True, text=True)
                    pair = f"a unit {'with' if first else 'without'} {option} and one {'with' if second else 'without'}"
                    if first == second and done.returncode:
                        wrong.append(f"{pair} do not link: {done.stderr}")
                    if first != second and (done.returncode == 0 or "number" not in done.stderr):
                        wrong.append(f"{pair} link, although their code differs")
    print("\n".join(wrong) if wrong else "ok")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
