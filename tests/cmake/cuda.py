# SPDX-License-Identifier: Apache-2.0
"""Tests llava_instantiate() and llava_add_model() with BACKEND llava::cuda, in the project in cuda_consumer.

    cuda.py --cmake cmake --generator Ninja --compiler g++ --rapidjson FOLDER --work FOLDER [--nvcc nvcc]

Without nvcc only the error of a project that does not enable CUDA is tested. With it, the project is also configured
with the source tree, and built with the installed package and run.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
NO_DEVICE = "llava: this machine has no CUDA device; use another backend\n"
SETTINGS = ("CXXFLAGS", "CPPFLAGS", "LDFLAGS", "DESTDIR", "CUDAFLAGS", "CUDAARCHS", "CUDACXX", "CUDAHOSTCXX")


class Consumer:
    def __init__(self, args):
        self.args, self.wrong = args, []
        self.environment = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        shutil.rmtree(args.work, ignore_errors=True)

    def run(self, *command):
        """Returns (exit code, output)."""
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env=self.environment)
        return done.returncode, done.stdout

    def expect(self, holds, words):
        if not holds:
            self.wrong.append(words)

    def must(self, *command):
        code, said = self.run(*command)
        if code:
            sys.exit(f"failed: {' '.join(map(str, command))}\n{said}")

    def configure(self, source, build, *options):
        code, said = self.run(self.args.cmake, "-S", source, "-B", self.args.work / build, "-G", self.args.generator,
                              f"-DCMAKE_CXX_COMPILER={self.args.compiler}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
                              f"-DLLAVA_RAPIDJSON_INCLUDE_DIR={self.args.rapidjson}", "-DCMAKE_BUILD_TYPE=None",
                              *options)
        return code, " ".join(said.split())

    def commands(self, build):
        """{name of a source: its command}"""
        entries = json.loads((self.args.work / build / "compile_commands.json").read_text())
        return {pathlib.Path(entry["file"]).name: entry["command"] for entry in entries}

    def build_and_run(self, build):
        self.must(self.args.cmake, "--build", self.args.work / build, "--target", "consumer")
        program = self.args.work / build / "consumer"
        code, said = self.run(program, SOURCE / "examples/tiny")
        self.expect((code, said) in ((1, NO_DEVICE), (0, "opened\n")), f"{build}: exit code {code}: {said}")
        needs = self.run("ldd", program)[1]
        self.expect("libc.so" in needs and "libcuda" not in needs, f"{build}: the program needs\n{needs}")
        print(f"{build}: {said.strip()}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--rapidjson", default="/usr/include")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    parser.add_argument("--nvcc")
    args = parser.parse_args()
    consumer = Consumer(args)
    project, tree = SOURCE / "tests/cmake/cuda_consumer", f"-DLLAVA_SOURCE_DIR={SOURCE}"

    code, said = consumer.configure(project, "without", tree)
    consumer.expect(code != 0 and said.count("CMake Error") == 1 and "enable_language(CUDA) before this call" in said,
                    f"a project without the language CUDA: exit code {code}: {said}")
    if args.nvcc:
        toolkit = pathlib.Path(args.nvcc).resolve().parents[1]
        has_cublaslt = any(next(toolkit.glob(f"{p}include/cublasLt.h"), None) for p in ("", "targets/*/"))
        cuda = ["-DLANGUAGES=CUDA", f"-DCMAKE_CUDA_COMPILER={args.nvcc}", f"-DCUBLASLT={'ON' if has_cublaslt else ''}"]
        sources = ["pipeline.cu", "gpu_model.cu", "deterministic_model.cu"] + ["cublaslt_model.cu"] * has_cublaslt
        for words, options, targets in (
                ("default", [], ("code=[sm_80]", "code=[sm_90a]", "code=[compute_90]")),
                ("chosen", ["-DCMAKE_CUDA_ARCHITECTURES=86"], ("code=[compute_86,sm_86]",))):
            code, said = consumer.configure(project, words, tree, *cuda, *options)
            consumer.expect(code == 0, f"{words}: {said}")
            for source in sources if code == 0 else ():
                command = consumer.commands(words)[source]
                consumer.expect(command.count("arch=") == len(targets) and all(t in command for t in targets) and
                                command.count("-std=c++20") == 1 and "-std=c++17" not in command,
                                f"{words}: {source}: {command}")

        library, prefix = args.work / "library", args.work / "a prefix with spaces"
        consumer.configure(SOURCE, "library", *(f"-DLLAVA_BUILD_{part}=OFF" for part in ("TESTS", "EXAMPLES", "BENCH")))
        consumer.must(args.cmake, "--install", library, "--prefix", prefix)
        code, said = consumer.configure(project, "package", *cuda, "-DCMAKE_CUDA_ARCHITECTURES=80-real",
                                        f"-DCMAKE_PREFIX_PATH={prefix}")
        consumer.expect(code == 0, f"package: {said}")
        if code == 0:
            consumer.build_and_run("package")
    print("\n".join(consumer.wrong) or "ok")
    sys.exit(bool(consumer.wrong))


if __name__ == "__main__":
    main()
