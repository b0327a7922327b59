# SPDX-License-Identifier: Apache-2.0
"""Tests that every header of include/ compiles alone and included twice without a warning, llava.hpp also without
exceptions. Headers are compiled with LLAVA_COMPILED, so that they do not include definitions that hide a missing
include; llava.hpp without it. layers.py shows that includes have no cycle, so the definitions behind a header cannot
break it. With a standard before C++20, a header that programs include first (ENTRIES) must give one error that says so.

    alone.py --compiler g++ --include include [--system FOLDER] [--stamps FOLDER] [--first]
    alone.py --compiler g++ --self-test     checks that a bad header is found

--first checks only ENTRIES and the headers that llava.hpp names: all take minutes. With --stamps, a header is
compiled again only if it or a file that it includes has changed. A header that needs an optional library (NEEDS) is
skipped, with a message, if the library is not installed. The headers of the CUDA backend are compiled for the host,
with the emulator of tests/cuda.
"""
import argparse
import concurrent.futures
import hashlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from headers import INCLUDE, includes, read_headers, without_comments

EMULATOR = pathlib.Path(__file__).resolve().parents[1] / "cuda" / "emulator"  # has <llava_cuda_host.hpp>

# The warnings of CMakeLists.txt. clang has no -Wuseless-cast, hence -Wno-unknown-warning-option.
FLAGS = ("-std=c++20 -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wnon-virtual-dtor "
         "-Wno-unknown-warning-option -Wuseless-cast -Werror -fsyntax-only -x c++").split()
COMPILED = "-DLLAVA_COMPILED"
ENTRIES = ["llava.hpp", "llava/chat_model.hpp", "llava/config.hpp", "llava/fwd.hpp", "llava/image/file.hpp",
           "llava/backend/eigen.hpp"]
NEEDS = [
    (r"llava/image/(\w+_)?file\.hpp", ["cstdio", "jpeglib.h", "png.h"], "libjpeg and libpng"),
    (r"llava/image/(animation|any|gif|webp)_file\.hpp", ["cstdio", "gif_lib.h", "webp/demux.h"], "giflib and libwebp"),
    (r"llava/image/(any|tiff|tiff_memory)_file\.hpp", ["tiffio.h"], "libtiff"),
    (r"llava/image/video_file\.hpp", ["libavformat/avformat.h", "libswscale/swscale.h"], "FFmpeg's libraries"),
    (r"llava/backend/eigen(/|\.)", ["Eigen/Core"], "Eigen"),
    (r"llava/serve/openssl_", ["boost/beast.hpp", "openssl/ssl.h"], "Boost or OpenSSL"),
    (r"llava/serve/", ["boost/beast.hpp"], "Boost"),
    (r"llava/comm/mpi", ["mpi.h"], "MPI"),
    (r"llava/comm/nccl", ["nccl.h"], "NCCL"),
]


def compile_text(args, text, *flags):
    """Returns the compiler's messages about `text`, or an empty string if it compiles."""
    command = [args.compiler, *FLAGS, *(f"-I{i}" for i in args.include), *(f"-isystem{i}" for i in args.system),
               *flags, "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr or f"exit code {done.returncode}"


def stamp_of(args, path, flags):
    key = hashlib.sha256(repr((args.compiler, args.include, args.system, FLAGS, path, flags)).encode()).hexdigest()[:16]
    return args.stamps / f"{path.replace('/', '+')}.{key}.d" if args.stamps else None


def is_fresh(stamp):
    """Returns whether all files that the dependency file names are older than it."""
    if stamp is None or not stamp.exists():
        return False
    names = re.findall(r"(?:\\ |\S)+", stamp.read_text().replace("\\\n", " ").split(":", 1)[-1])
    made = stamp.stat().st_mtime
    try:
        return all(os.stat(n.replace("\\ ", " ")).st_mtime < made for n in names if n != "-")
    except OSError:
        return False


def check(args, path, *flags):
    """Returns the compiler's messages about one header."""
    stamp = stamp_of(args, path, flags)
    if is_fresh(stamp):
        return ""
    if stamp:
        stamp.unlink(missing_ok=True)
        fresh = stamp.with_suffix(".new")
        flags = (*flags, "-MD", "-MF", str(fresh))
    found = compile_text(args, f"#include <{path}>\n#include <{path}>\n", *flags)
    if stamp and not found:
        fresh.replace(stamp)
        stamp.touch()
    return found


def check_older(args, path, *flags):
    """Returns the messages about one header under an older standard, unless they are the one expected error."""
    found = compile_text(args, f"#include <{path}>\n", *flags)
    errors = re.findall(r"error: (.*)", found)
    return ("" if len(errors) == 1 and "llava: these headers are C++20" in errors[0]
            else found or "it compiles without an error")


def headers_to_check(first):
    files = read_headers()
    if first:
        named = {name for _, name, _ in includes(without_comments(files["llava.hpp"]))}
        return [p for p in files if p in ENTRIES or p in named]
    return [p for p in files if not p.endswith((".inc", ".inl"))]


def leave_out(args, paths):
    """Returns the paths whose optional library is installed."""
    missing = []
    for pattern, names, library in NEEDS:
        if any(re.match(pattern, p) for p in paths) and compile_text(args, "".join(f"#include <{n}>\n" for n in names)):
            missing.append(pattern)
            print(f"{library} is not installed: headers that match {pattern} are skipped")
    return [p for p in paths if not any(re.match(pattern, p) for pattern in missing)]


def check_all(args, paths):
    """Returns {path: messages} of the headers that fail."""
    jobs = [(check, p, COMPILED, *([f"-I{EMULATOR}"] if p.startswith("llava/backend/cuda") else []))
            for p in paths if p != "llava.hpp"]
    jobs += [(check, p, *flags) for p in paths if p == "llava.hpp" for flags in ([], ["-fno-exceptions"])]
    jobs += [(check_older, p, "-std=c++17") for p in paths if p in ENTRIES]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        complaints = pool.map(lambda job: job[0](args, *job[1:]), jobs)
        return {" ".join(word for word in job[1:] if word != COMPILED and not word.startswith("-I")): found
                for job, found in zip(jobs, complaints) if found}


def self_test(args):
    cases = {
        "good.hpp": "#pragma once\n#include <string>\ninline std::string f() { return {}; }\n",
        "not_alone.hpp": "#pragma once\ninline std::string f() { return {}; }\n",
        "not_twice.hpp": "inline int f() { return 1; }\n",
        "warns.hpp": "#pragma once\ninline char f(int x) { return x; }\n",
        "llava.hpp": "#pragma once\ninline int f() { throw 1; }\n",
        "llava/fwd.hpp": '#pragma once\n#if __cplusplus < 202002L\n#include "llava: these headers are C++20"\n#endif\n',
    }
    expected = {"not_alone.hpp", "not_twice.hpp", "warns.hpp", "llava.hpp -fno-exceptions", "llava.hpp -std=c++17"}
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        args.include, args.stamps = [folder], root / "stamps"
        args.stamps.mkdir()
        (root / "llava").mkdir()
        for name, text in cases.items():
            (root / name).write_text(text)
            os.utime(root / name, (1e9, 1e9))
        first = set(check_all(args, list(cases)))
        (root / "good.hpp").write_text("#pragma once\nint f() { return; }\n")
        os.utime(root / "good.hpp", (4e9, 4e9))
        second = set(check_all(args, list(cases)))
    if first != expected or second != expected | {"good.hpp"}:
        sys.exit(f"expected {expected}, found {first}; after good.hpp was broken, found {second}")
    print(f"{len(expected) + 1} bad headers are found, 2 good ones pass")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--include", action="append", default=[])
    parser.add_argument("--system", action="append", default=[], help="include folder whose warnings are ignored")
    parser.add_argument("--stamps", type=pathlib.Path)
    parser.add_argument("--first", action="store_true", help="only headers that programs include")
    parser.add_argument("--self-test", action="store_true")
    parser.add_argument("headers", nargs="*", help="only these, such as llava/config.hpp")
    args = parser.parse_args()
    if args.self_test:
        return self_test(args)
    args.include = args.include or [str(INCLUDE)]
    if args.stamps:
        args.stamps.mkdir(parents=True, exist_ok=True)
    paths = leave_out(args, args.headers or headers_to_check(args.first))
    bad = check_all(args, paths)
    for name, found in bad.items():
        print(f"=== {name} does not compile alone:\n{found}")
    print(f"{len(bad)} of {len(paths)} headers do not compile alone" if bad
          else f"{len(paths)} headers compile alone and twice")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
