# SPDX-License-Identifier: Apache-2.0
"""Builds the programs of bench/gpu.sh, as many translation units at a time as there are cores: those with kernels by
nvcc, the others by the host's compiler. On the emulator (tests/cuda/emulator) the host's compiler builds all of them.
An object is built again when its command or any source of the project has changed."""
import concurrent.futures
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
FORMATS = ["f32", "bf16", "q8_0", "q4_0"]
MEASURED = ["bf16", "q8_0", "q4_0", "cublaslt"]  # the last is bf16 with products by cuBLASLt
VOCABULARY = ["matrix", "bytes", "convert", "memory", "threads"]
OPS = {f"cuda_{name}": f"tests/cuda/{name}.cpp" for name in ("matmul", "preprocess", "deterministic", "cublaslt")}
OPS |= {name: f"tests/ops/{name}.cpp" for name in
        ("matmul", "block_matmul", "paged_attention", "attention", "sample", "rows", "vector_math")}


def objects():
    """{name: (has kernels, source, flags)}; those that take longest come first."""
    made = {f"model_{f}": (True, "bench/gpu/model.cpp", [f"-DLLAVA_GPU_WEIGHTS={f}"]) for f in FORMATS}
    made["model_cublaslt"] = (True, "bench/gpu/model.cpp", ["-DLLAVA_GPU_WEIGHTS=bf16", "-DLLAVA_GPU_CUBLASLT=1"])
    made |= {f"ops_{name}": (True, source, ["-DLLAVA_TEST_ON_CUDA=1"]) for name, source in OPS.items()}
    made |= {f"cpu_{f}": (False, "bench/gpu/cpu.cpp", [f"-DLLAVA_GPU_WEIGHTS={f}"]) for f in FORMATS}
    made |= {name: (False, f"bench/gpu/{name}.cpp", []) for name in ("goldens", "figures", "answers")}
    made |= {f"vocabulary_{name}": (True, f"tests/cuda/vocabulary_{name}.cpp", []) for name in VOCABULARY}
    made["samples"] = (True, "tests/cuda/samples.cpp", [])
    made |= {f"vectors_{name}": (True, f"tests/cuda/vectors/{name}.cpp", []) for name in ("numbers", "warps")}
    made["vectors_main"] = (False, "tests/cuda/vectors/main.cpp", [])
    made["catch_main"] = (False, "tests/main.cpp", ["-O0"])
    made["read_roof"] = (True, "bench/gpu/read_roof.cpp", [])
    made["product_roof"] = (True, "bench/gpu/product_roof.cu", [])
    return made


def programs():
    """{name: (objects, libraries)}"""
    made = {"vectors": ([f"vectors_{name}" for name in ("numbers", "warps", "main")], []),
            "vocabulary": ([f"vocabulary_{name}" for name in VOCABULARY] + ["samples", "catch_main"], []),
            "goldens": (["goldens", "model_f32", "catch_main"], []),
            "read_roof": (["read_roof"], []),
            "product_roof": (["product_roof"], [])}
    made |= {f"ops_{name}": ([f"ops_{name}", "catch_main"], []) for name in OPS}
    made |= {f"answers_{f}": (["answers", f"model_{f}", f"cpu_{f}", "catch_main"], []) for f in FORMATS}
    made |= {f"figures_{f}": (["figures", f"model_{f}"], []) for f in MEASURED}
    return made


def find_nvcc():
    places = [pathlib.Path(os.environ[v]) / "bin" for v in ("CUDA_HOME", "CUDA_PATH") if v in os.environ]
    places.append(pathlib.Path("/usr/local/cuda/bin"))
    return shutil.which("nvcc") or next((str(p / "nvcc") for p in places if (p / "nvcc").exists()), None)


def find_cublas(nvcc):
    """Options for compiling and for linking with cuBLASLt: the toolkit's, or else that of Python's packages."""
    toolkit = pathlib.Path(nvcc).resolve().parents[1]
    if any(toolkit.glob("include/cublasLt.h")) or any(toolkit.glob("targets/*/include/cublasLt.h")):
        return [], ["-lcublasLt"]
    for site in map(pathlib.Path, sys.path):
        for header in site.glob("nvidia/*/include/cublasLt.h"):
            library = next(iter(sorted(header.parents[1].glob("lib/libcublasLt.so*"))), None)
            if library:
                return ["-isystem", str(header.parent)], [str(library), "-Xlinker", f"-rpath={library.parent}"]
    return [], ["-lcublasLt"]


def run_limited(command, limit, log, **more):
    """Runs a command in a process group of its own, which is ended when the time is over. Returns (code, seconds); the
    code is None after that."""
    start = time.monotonic()
    with open(log, "wb") as out:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.STDOUT,
                                   stdin=subprocess.DEVNULL, start_new_session=True, **more)
        try:
            code = process.wait(timeout=max(0.1, limit))
        except subprocess.TimeoutExpired:
            code = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # what it may have left running
            except (ProcessLookupError, PermissionError):
                pass
            process.wait()
    return code, time.monotonic() - start


class Builder:
    def __init__(self, folder, includes, nvcc, cxx, architecture, emulator=None, test_limit=140):
        """`includes`: folders of packages. `nvcc` is None to build for the emulator, whose library is `emulator`.
        `test_limit`: the most seconds of a file of tests, for which nothing else shall wait."""
        self.test_limit = test_limit
        self.folder, self.nvcc, self.cxx, self.architecture = folder, nvcc, cxx, architecture
        self.emulator = emulator
        self.includes = [f"-I{ROOT / 'include'}", f"-I{ROOT / 'tests'}"]
        if not nvcc:
            self.includes.append(f"-I{ROOT / 'tests/cuda/emulator'}")
        self.includes += [word for i in includes for word in ("-isystem", str(i))]
        self.defines = [f'-DLLAVA_TEST_DATA="{ROOT / "tests/data"}"', f'-DLLAVA_EXAMPLES_DIR="{ROOT / "examples"}"']
        self.times, self.problems = {}, {}
        folder.mkdir(parents=True, exist_ok=True)
        digest = hashlib.sha256()
        folders = [(ROOT / f).rglob("*") for f in
                   ("include", "tests/cuda", "tests/goldens", "tests/ops", "tests/backend", "bench/gpu")]
        for files in [*folders, (ROOT / "tests").glob("*")]:
            for file in sorted(files):
                if file.suffix in (".hpp", ".cuh", ".cpp", ".cu", ".inc"):
                    digest.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
        self.sources = digest.hexdigest()

    def command_of(self, name):
        has_kernels, source, flags = objects()[name]
        if self.nvcc and name in ("product_roof", "ops_cuda_cublaslt", "model_cublaslt"):
            flags = flags + find_cublas(self.nvcc)[0]
        if self.nvcc and has_kernels:
            start = [self.nvcc, "-x", "cu", f"-arch={self.architecture}", "-ccbin", self.cxx, "-Xcompiler", "-w"]
        else:
            start = [self.cxx, "-x", "c++", "-w"]
        return [*start, "-std=c++20", "-O2", *flags, *self.defines, *self.includes, "-c", str(ROOT / source), "-o",
                str(self.folder / f"{name}.o")]

    def compile(self, name, deadline):
        command = self.command_of(name)
        key = hashlib.sha256("\n".join([self.sources, *command]).encode()).hexdigest()
        key_file, log = self.folder / f"{name}.key", self.folder / f"{name}.log"
        if key_file.exists() and key_file.read_text() == key:
            return
        key_file.unlink(missing_ok=True)
        left = deadline - time.monotonic()
        if name.startswith(("ops_", "vocabulary_")):
            left = min(left, self.test_limit)
        if left < 1:
            self.problems[name] = "no time was left to compile it"
            return
        code, seconds = run_limited(command, left, log)
        self.times[name] = seconds
        if code == 0:
            key_file.write_text(key)
        else:
            self.problems[name] = "took too long to compile" if code is None else f"does not compile: {self.first(log)}"

    @staticmethod
    def first(log):
        """The first error in a log."""
        lines = log.read_text(errors="replace").splitlines()
        return next((line for line in lines if "error" in line), lines[-1] if lines else "no message")[:300]

    def build(self, wanted, deadline):
        """Builds these programs. Returns {program: sentence} of those that were not built."""
        failed, all_programs = {}, programs()
        needed = {o for w in wanted for o in all_programs[w][0]}
        with concurrent.futures.ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            list(pool.map(lambda name: self.compile(name, deadline), [o for o in objects() if o in needed]))
        linker = [self.nvcc, "-ccbin", self.cxx, f"-arch={self.architecture}"] if self.nvcc else [self.cxx]

        def link(name):
            parts, libraries = all_programs[name]
            if self.nvcc and name in ("product_roof", "ops_cuda_cublaslt", "figures_cublaslt"):
                libraries = find_cublas(self.nvcc)[1]
            bad = [f"{p} {self.problems[p]}" for p in parts if p in self.problems]
            if bad:
                failed[name] = bad[0]
                return
            emulator = [] if self.nvcc else [str(self.emulator)]
            log = self.folder / f"{name}.link.log"
            code, _ = run_limited([*linker, *(str(self.folder / f"{p}.o") for p in parts), *emulator, *libraries,
                                   "-lpthread", "-o", str(self.folder / name)], deadline - time.monotonic(), log)
            if code != 0:
                failed[name] = f"does not link: {self.first(log)}"

        with concurrent.futures.ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
            list(pool.map(link, wanted))
        return failed
