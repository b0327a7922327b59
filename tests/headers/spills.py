# SPDX-License-Identifier: Apache-2.0
"""Compiles the simd kernels and looks for accumulators that do not stay in registers.

    spills.py --compiler g++ --include include      exits with 1 and names the loop if one stores a vector on the stack
    spills.py ... --self-test                       checks that a tile too large for the registers is found

A compiler that runs out of registers stores and reloads an accumulator in every iteration, which halves the speed and
fails no test. So the innermost multiply-add loops of the functions below must not store a vector on the stack.
"""
import argparse
import pathlib
import re
import subprocess
import sys
import tempfile

SOURCE = """#include <llava/ops/activation.hpp>
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q8_0.hpp>
#include <llava/backend/simd/{isa}.hpp>
namespace llava::simd_backend::{isa} {{
{instances}
}}
"""
ATTEND = "template void attend<{}, {}>(const attention_arguments<{}>&, std::ptrdiff_t, bool);"
BLOCKS = ("template void block_tile<{}, {}, {}>(const block_arguments<{}>&, const std::byte*, std::ptrdiff_t, "
          "std::ptrdiff_t, std::ptrdiff_t, float*);")
FEW_ROWS = ("template void few_rows_tile<{0}, {1}>(const block_arguments<{0}>&, const std::byte*, std::ptrdiff_t, "
            "std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float*);")
WORDS = ("template void words_tile<{0}, {1}, {2}>(const block_arguments<{0}>&, const unpacked_block<{0}>*, "
         "std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, std::ptrdiff_t, float*);")
PRODUCT = ("template void product_tile<{0}, 4, {1}>(const float* const (&)[{0}], const {1}* const (&)[4], "
           "std::ptrdiff_t, float*, std::ptrdiff_t);")
# By instruction set: the instantiated kernels and a part of their mangled names.
KERNELS = {
    "avx2": [(PRODUCT.format(3, "float"), "product_tileILj3ELj4EfE"),
             (PRODUCT.format(3, "f16"), "product_tileILj3ELj4ENS"),
             (ATTEND.format(4, "float", "float"), "attendILj4Ef"),
             (ATTEND.format(4, "f16", "f16"), "attendILj4ENS"),
             (BLOCKS.format("q8_0", 4, 1, "q8_0"), "block_tileINS0_4q8_0ELj4ELj1E"),
             (BLOCKS.format("q4_0", 4, 1, "q4_0"), "block_tileINS0_4q4_0ELj4ELj1E"),
             (BLOCKS.format("q16_0", 4, 1, "q16_0"), "block_tileINS0_5q16_0ELj4ELj1E"),
             (FEW_ROWS.format("q4_k", 1), "few_rows_tileINS0_4q4_kELj1E"),
             (FEW_ROWS.format("q6_k", 1), "few_rows_tileINS0_4q6_kELj1E"),
             (WORDS.format("q4_k", 4, 1), "words_tileINS0_4q4_kELj4ELj1E")],
    "avx512": [(PRODUCT.format(6, "float"), "product_tileILj6ELj4EfE"),
               (ATTEND.format(12, "float", "float"), "attendILj12Ef"),
               (ATTEND.format(12, "f16", "f16"), "attendILj12ENS")],
    "avx512vnni": [(BLOCKS.format("q8_0", 8, 2, "q8_0"), "block_tileINS0_4q8_0ELj8ELj2E"),
                   (BLOCKS.format("q4_0", 8, 2, "q4_0"), "block_tileINS0_4q4_0ELj8ELj2E"),
                   (BLOCKS.format("q16_0", 8, 2, "q16_0"), "block_tileINS0_5q16_0ELj8ELj2E"),
                   (FEW_ROWS.format("q4_k", 4), "few_rows_tileINS0_4q4_kELj4E"),
                   (FEW_ROWS.format("q6_k", 4), "few_rows_tileINS0_4q6_kELj4E"),
                   (WORDS.format("q4_k", 8, 2), "words_tileINS0_4q4_kELj8ELj2E")],
}
TOO_LARGE = {"avx2": (PRODUCT.format(5, "float"), "product_tileILj5ELj4EfE"),
             "avx512": (PRODUCT.format(9, "float"), "product_tileILj9ELj4EfE")}
STORE = re.compile(r"^\s*vmov\w+\s+%[xyz]mm\d+, [^%]*\(%r[sb]p")
MULTIPLY_ADD = re.compile(r"^\s*(vfn?madd|vpmadd|vpdpbusd|vpdpwssd)\w*")
JUMP = re.compile(r"^\s*j\w+\s+(\.L\w+)")


def functions(assembly):
    """Returns {mangled name: lines}. Clang names the concept of a constrained parameter too; it is left out."""
    found, lines = {}, None
    for line in assembly.splitlines():
        if match := re.match(r"^(_Z\w+):", line):
            lines = found.setdefault(re.sub(r"TkNS\d*_\d+[a-z_]+E", "", match.group(1)), [])
        elif lines is not None:
            lines.append(line)
    return found


def innermost_loops(lines):
    """Returns (first line, last line) of the loops that contain no other loop."""
    labels = {line.split(":")[0].strip(): i for i, line in enumerate(lines) if re.match(r"^\.L\w+:", line)}
    loops = [(labels[m.group(1)], i) for i, line in enumerate(lines)
             if (m := JUMP.match(line)) and labels.get(m.group(1), i) < i]
    return [a for a in loops if not any(b != a and a[0] <= b[0] and b[1] <= a[1] for b in loops)]


def check(compiler, includes, isa, kernels):
    """Returns messages about the loops that spill, or an empty list."""
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder) / "kernels.cpp"
        source.write_text(SOURCE.format(isa=isa, instances="\n".join(k[0] for k in kernels)))
        command = [compiler, "-std=c++20", "-O2", "-fno-omit-frame-pointer", "-S", "-o", "-", str(source)] + [
            f"-I{i}" for i in includes]
        assembly = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    complaints, all_functions = [], functions(assembly)
    for _, name in kernels:
        lines = next((body for mangled, body in all_functions.items() if name in mangled), None)
        loops = []
        for first, last in innermost_loops(lines or []):
            body = lines[first:last + 1]
            if sum(map(bool, map(MULTIPLY_ADD.match, body))) >= 6:
                loops.append(sum(map(bool, map(STORE.match, body))))
        if not loops:
            complaints.append(f"spills: {isa} {name}: no loop that multiplies and adds was found")
        for stores in loops:
            if stores:
                complaints.append(f"spills: {isa} {name}: an inner loop stores {stores} vectors")
    return complaints


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--self-test", action="store_true")
    args = parser.parse_args()
    machine = subprocess.run([args.compiler, "-dumpmachine"], capture_output=True, text=True).stdout
    if not machine.startswith("x86_64"):
        print("spills: only x86-64 kernels are checked")
        return 0
    if args.self_test:
        missed = [isa for isa, kernel in TOO_LARGE.items() if not check(args.compiler, args.include, isa, [kernel])]
        for isa in missed:
            print(f"spills: the tile of the self-test that is too large for {isa} was not found")
        return bool(missed)
    complaints = [c for isa, kernels in KERNELS.items() for c in check(args.compiler, args.include, isa, kernels)]
    print("\n".join(complaints) or "spills: none")
    return bool(complaints)


if __name__ == "__main__":
    sys.exit(main())
