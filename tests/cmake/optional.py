# SPDX-License-Identifier: Apache-2.0
"""Tests that the project configures and has the right targets if any optional package is absent or present alone.

    optional.py --cmake cmake --generator Ninja --compiler g++ --work FOLDER

Nothing is compiled. Present packages are stand-ins and absent packages are hidden, whether this machine has them or
not. Only OpenMP is the compiler's own, and is present if the compiler supports it. nvcc is always hidden.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys

SOURCE = pathlib.Path(__file__).resolve().parents[2]
FFMPEG = ("avformat", "avcodec", "swscale", "avutil")
TARGET = "add_library({0} INTERFACE IMPORTED)\n"
# Package: ({file: text} of the stand-in, {variable: file} that finds it, variables that hide it).
PACKAGES = {
    "benchmark": ({"benchmarkConfig.cmake": TARGET.format("benchmark::benchmark")}, {"benchmark_DIR": "."},
                  ["CMAKE_DISABLE_FIND_PACKAGE_benchmark"]),
    "Eigen": ({"Eigen3Config.cmake": TARGET.format("Eigen3::Eigen"),
               "Eigen3ConfigVersion.cmake": "set(PACKAGE_VERSION 3.4.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n"},
              {"Eigen3_DIR": "."}, ["CMAKE_DISABLE_FIND_PACKAGE_Eigen3"]),
    "OpenBLAS": ({"openblas_config.h": "", "libopenblas.so": ""},
                 {"LLAVA_CBLAS_INCLUDE_DIR": ".", "LLAVA_OPENBLAS_LIBRARY": "libopenblas.so"},
                 ["CMAKE_DISABLE_FIND_PACKAGE_OpenBLAS"]),
    "oneDNN": ({"dnnl.h": "", "libdnnl.so": ""},
               {"LLAVA_DNNL_INCLUDE_DIR": ".", "LLAVA_DNNL_LIBRARY": "libdnnl.so"}, []),
    "OpenMP": ({}, {}, ["CMAKE_DISABLE_FIND_PACKAGE_OpenMP"]),
    "JPEG": ({"jpeglib.h": "", "libjpeg.so": ""}, {"JPEG_INCLUDE_DIR": ".", "JPEG_LIBRARY": "libjpeg.so"},
             ["CMAKE_DISABLE_FIND_PACKAGE_JPEG"]),
    "PNG": ({"png.h": "", "libpng.so": ""},
            {"PNG_PNG_INCLUDE_DIR": ".", "PNG_LIBRARY": "libpng.so", "ZLIB_INCLUDE_DIR": ".",
             "ZLIB_LIBRARY": "libpng.so"},
            ["CMAKE_DISABLE_FIND_PACKAGE_PNG"]),
    "GIF": ({"gif_lib.h": "", "libgif.so": ""}, {"LLAVA_gif_INCLUDE_DIR": ".", "LLAVA_gif_LIBRARY": "libgif.so"}, []),
    "WebP": ({"webp/demux.h": "", "webp/decode.h": "", "libwebp.so": "", "libwebpdemux.so": ""},
             {f"LLAVA_{name}_{what}": place.format(name) for name in ("webp", "webpdemux")
              for what, place in (("INCLUDE_DIR", "."), ("LIBRARY", "lib{}.so"))}, []),
    "TIFF": ({"tiffio.h": "", "tiff.h": "", "libtiff.so": ""},
             {"TIFF_INCLUDE_DIR": ".", "TIFF_LIBRARY": "libtiff.so", "LLAVA_tiff_INCLUDE_DIR": ".",
              "LLAVA_tiff_LIBRARY": "libtiff.so"}, ["CMAKE_DISABLE_FIND_PACKAGE_TIFF"]),
    "FFmpeg": ({f"lib{name}{end}": "" for name in FFMPEG for end in (f"/{name}.h", ".so")},
               {f"LLAVA_{name}_{what}": place.format(name) for name in FFMPEG
                for what, place in (("INCLUDE_DIR", "."), ("LIBRARY", "lib{}.so"))}, []),
    "Boost": ({"boost/version.hpp": "#define BOOST_VERSION 108100\n", "boost/beast/http/parser.hpp": ""},
              {"LLAVA_BOOST_INCLUDE_DIR": "."}, []),
    "OpenSSL": ({"openssl/opensslv.h": '# define OPENSSL_VERSION_STR "3.0.0"\n', "libssl.so": "", "libcrypto.so": ""},
                {"OPENSSL_INCLUDE_DIR": ".", "OPENSSL_SSL_LIBRARY": "libssl.so",
                 "OPENSSL_CRYPTO_LIBRARY": "libcrypto.so"},
                ["CMAKE_DISABLE_FIND_PACKAGE_OpenSSL"]),
    "CLI11": ({"CLI/CLI.hpp": ""}, {"LLAVA_CLI11_INCLUDE_DIR": "."}, []),
    "libedit": ({"histedit.h": "", "libedit.so": ""},
                {"LLAVA_EDIT_INCLUDE_DIR": ".", "LLAVA_EDIT_LIBRARY": "libedit.so"}, []),
    "ccache": ({"ccache": ""}, {"LLAVA_CCACHE": "ccache"}, []),
}
NEEDS = {  # target: packages that it needs
    "llava_tests": set(), "llava_eigen_openmp": {"Eigen", "OpenMP"}, "roofs": set(), "bench_ops": {"benchmark"},
    "bench_pipeline": {"benchmark"}, "bench_own_kernel": {"benchmark"},
    "llava_bench_eigen": {"benchmark", "Eigen"}, "llava_bench_openblas": {"benchmark", "OpenBLAS"},
    "llava_bench_onednn": {"benchmark", "oneDNN", "OpenMP"},
    "example_02_variant": set(), "example_01_ask": {"JPEG", "PNG"},
    "llava_command": {"JPEG", "PNG", "CLI11"}, "llava_serve_command": {"JPEG", "PNG", "CLI11"},
    "llava_compiled_serve": {"Boost"}, "llava_http_test_server": {"Boost"}, "example_05_cuda": {"nvcc"},
}


class Project:
    def __init__(self, args):
        self.args, self.packages = args, args.work / "packages"
        shutil.rmtree(args.work, ignore_errors=True)
        for name, (files, _, _) in PACKAGES.items():
            for file, text in files.items():
                (self.packages / name / file).parent.mkdir(parents=True, exist_ok=True)
                (self.packages / name / file).write_text(text)

    def configure(self, folder, *options):
        """Returns (exit code, output)."""
        done = subprocess.run([self.args.cmake, "-S", SOURCE, "-B", self.args.work / folder, "-G", self.args.generator,
                               f"-DCMAKE_CXX_COMPILER={self.args.compiler}", "-DCMAKE_CUDA_COMPILER=NOTFOUND",
                               *options], capture_output=True, text=True)
        return done.returncode, " ".join((done.stdout + done.stderr).split())

    def configure_with(self, present, *options):
        """Uses one folder, so that CMake checks the compiler once. The settings override all earlier results."""
        settings = []
        for name, (_, found, hidden) in PACKAGES.items():
            here = name in present
            settings += [f"-D{variable}={self.packages / name / file if here else False}"
                         for variable, file in found.items()]
            settings += [f"-D{variable}={not here}" for variable in hidden]
        return self.configure("combinations", *settings,
                              "-DLLAVA_TEST_IMAGE_FILES=" + str({"JPEG", "PNG"} <= present), *options)

    def targets(self, folder):
        done = subprocess.run([self.args.cmake, "--build", self.args.work / folder, "--target", "help"],
                              capture_output=True, text=True)
        return {line.removeprefix("... ").split(":")[0].split(" ")[0] for line in done.stdout.splitlines()}

    def cached(self, folder, variable):
        for line in (self.args.work / folder / "CMakeCache.txt").read_text().splitlines():
            if line.startswith(variable + ":"):
                return line.split("=", 1)[1]
        return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--compiler", default="g++")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    project = Project(parser.parse_args())
    wrong = []

    everything = set(PACKAGES)
    code, said = project.configure_with(everything)
    if "Found OpenMP_CXX" not in said and "llava_bench_onednn" not in project.targets("combinations"):
        everything.discard("OpenMP")  # this compiler does not support it
    combinations = [everything, set(), {"JPEG", "PNG"}]
    combinations += [{p} for p in sorted(everything)] + [everything - {p} for p in sorted(everything)]
    combinations += [{"benchmark", p} for p in ("Eigen", "OpenBLAS", "oneDNN")]
    for present in combinations:
        words = f"with {', '.join(sorted(present)) or 'nothing'}"
        code, said = project.configure_with(present)
        if code:
            wrong.append(f"{words}: {said[-1500:]}")
            continue
        if {"JPEG", "PNG", "CLI11"} <= present:  # the command reads what there is, and says what it does not read
            parts = [("animation_files", {"GIF", "WebP"}), ("video_files", {"FFmpeg"}), ("gif_files", {"GIF"}),
                     ("webp_files", {"WebP"}), ("tiff_files", {"TIFF"})]
            parts += [("serve_tls", {"OpenSSL"})] if "Boost" in present else []
            for part, needs in parts:
                if (f"without llava::{part}" in said) == (needs <= present):
                    wrong.append(f"{words}: llava::{part} is reported wrongly")
            for part, need in (("line editing", "libedit"), ("its servers", "Boost")):
                if (f"without {part}" in said) == (need in present):
                    wrong.append(f"{words}: {part}: reported wrongly")
        if "05_cuda is not built" not in said:
            wrong.append(f"{words}: the example on CUDA is not reported as missing")
        targets = project.targets("combinations")
        for target, needs in NEEDS.items():
            if (target in targets) != (needs <= present):
                wrong.append(f"{words}: {target} is {'built' if target in targets else 'not built'}")
        if "benchmark" in present:
            of_onednn = [p for p, w in (("oneDNN", "oneDNN (Debian"), ("OpenMP", "OpenMP for")) if w in said]
            if of_onednn != [p for p in ("oneDNN", "OpenMP") if p not in present]:
                wrong.append(f"{words}: reported as missing for oneDNN: {of_onednn}")

    # The tests require image files unless LLAVA_TEST_IMAGE_FILES is OFF. Without libjpeg there is exactly one error.
    code, said = project.configure_with(everything - {"JPEG"}, "-DLLAVA_TEST_IMAGE_FILES=ON")
    if code == 0 or said.count("CMake Error") != 1 or "-DLLAVA_TEST_IMAGE_FILES=OFF" not in said:
        wrong.append(f"without libjpeg, tests of image files: {said[-1500:]}")

    # Without a build type the project sets Release and -O2. With one it sets nothing.
    for folder, options, build_type, flags in [("plain", [], "Release", "-O2"),
                                               ("debug", ["-DCMAKE_BUILD_TYPE=Debug"], "Debug", "-O3 -DNDEBUG")]:
        code, said = project.configure(folder, *options, "-DLLAVA_BUILD_TESTS=OFF", "-DLLAVA_BUILD_BENCH=OFF")
        found = project.cached(folder, "CMAKE_BUILD_TYPE"), project.cached(folder, "CMAKE_CXX_FLAGS_RELEASE")
        if code or found != (build_type, flags):
            wrong.append(f"cmake -B build {' '.join(options)}: build type and flags of Release are {found}")

    for sentence in wrong:
        print(sentence)
    print(f"{len(combinations)} combinations, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
